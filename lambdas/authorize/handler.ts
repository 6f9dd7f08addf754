import { SimpleFetcher } from "aws-jwt-verify/https";
import type { APIGatewayAuthorizerResult, APIGatewayTokenAuthorizerEvent } from "aws-lambda";
import { readEnvironment } from "../shared/environment";
import { count, logger, observe } from "../shared/observability";
import { authorize, verifierOf } from "./authorize";
import { authorizeEnvironment } from "./environment";

const { ISSUER, AUDIENCE } = readEnvironment(authorizeEnvironment);
const verify = verifierOf(
  { issuer: ISSUER, audience: AUDIENCE },
  new SimpleFetcher({ defaultRequestOptions: { responseTimeout: 2000 } }),
);

/** Whether the bearer of a token may call the REST API: `lib/constructs/guarded-api.ts`. */
export const handler = observe(async (event: APIGatewayTokenAuthorizerEvent): Promise<APIGatewayAuthorizerResult> => {
  const { answer, refused } = await authorize(event, verify);
  if (refused) {
    count("TokensRefused");
    logger.info("token refused", { reason: refused });
  }
  return answer;
});
