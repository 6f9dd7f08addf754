import type { APIGatewayProxyEvent, APIGatewayProxyEventV2 } from "aws-lambda";

/** What handlers read of a request, in the form that an HTTP API gives it (payload format 2.0). */
export type HttpEvent = Pick<
  APIGatewayProxyEventV2,
  "routeKey" | "headers" | "pathParameters" | "queryStringParameters" | "body" | "isBase64Encoded"
> & {
  readonly requestContext: {
    readonly requestId: string;
    /** What an authoriser of tokens leaves; an authoriser of AWS credentials leaves nothing. */
    readonly authorizer?: { readonly jwt?: { readonly claims: Readonly<Record<string, unknown>> } };
  };
};

/** What a REST API hands over (payload format 1.0). Its authoriser's context holds `sub` and `scope` where the token does. */
export type RestEvent = Pick<
  APIGatewayProxyEvent,
  "httpMethod" | "resource" | "headers" | "pathParameters" | "body" | "isBase64Encoded"
> &
  Partial<Pick<APIGatewayProxyEvent, "queryStringParameters" | "multiValueQueryStringParameters">> & {
    readonly requestContext: {
      readonly requestId: string;
      readonly authorizer?: { readonly [name: string]: unknown } | null | undefined;
    };
  };

const isRest = (event: HttpEvent | RestEvent): event is RestEvent => "httpMethod" in event;

type Values = Readonly<Record<string, string | undefined>>;
/** `null`, which a REST API gives for none, left out. */
const optional = <K extends string, V>(key: K, value: V | null | undefined): { [P in K]?: V } =>
  (value === null || value === undefined ? {} : { [key]: value }) as { [P in K]?: V };

/** Every value of a parameter, joined by commas, as format 2.0 has them. */
function query({ queryStringParameters, multiValueQueryStringParameters: many }: RestEvent): Values | undefined {
  if (!many) return queryStringParameters ?? undefined;
  return Object.fromEntries(Object.entries(many).map(([name, values]) => [name, values?.join(",")]));
}

/**
 * One form of request for handlers, whichever API is before them: that of the HTTP API.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
 */
export function httpEvent(event: HttpEvent | RestEvent): HttpEvent {
  if (!isRest(event)) return event;
  const { requestId, authorizer } = event.requestContext;
  // Names of headers are in lower case in format 2.0, and as the client wrote them in 1.0.
  const headers = Object.fromEntries(
    Object.entries(event.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );
  // Only an authoriser of tokens has a principal: a token without `sub` must not pass for AWS credentials.
  const claims =
    authorizer?.principalId === undefined
      ? undefined
      : { ...optional("sub", authorizer.sub), ...optional("scope", authorizer.scope) };
  return {
    routeKey: `${event.httpMethod} ${event.resource}`,
    headers,
    ...optional("pathParameters", event.pathParameters),
    ...optional("queryStringParameters", query(event)),
    ...optional("body", event.body),
    isBase64Encoded: event.isBase64Encoded,
    requestContext: { requestId, ...(claims && { authorizer: { jwt: { claims } } }) },
  };
}
