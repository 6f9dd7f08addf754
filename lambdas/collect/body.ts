import type { APIGatewayProxyEventV2 } from "aws-lambda";

type Carrier = Pick<APIGatewayProxyEventV2, "body" | "isBase64Encoded">;

/** Size in bytes of a request's body, as the client sent it. */
export const bodyBytes = ({ body = "", isBase64Encoded }: Carrier): number =>
  Buffer.byteLength(body, isBase64Encoded ? "base64" : "utf8");

/** The request's body as text. API Gateway hands anything that it does not take for text over in base64. */
export const bodyText = ({ body = "", isBase64Encoded }: Carrier): string =>
  isBase64Encoded ? Buffer.from(body, "base64").toString("utf8") : body;
