import { JwtVerifier } from "aws-jwt-verify";
import { assertStringArraysOverlap } from "aws-jwt-verify/assert";
import {
  FetchError,
  JwksValidationError,
  JwtBaseError,
  JwtExpiredError,
  JwtInvalidAudienceError,
  JwtInvalidIssuerError,
  JwtInvalidSignatureError,
  JwtNotBeforeError,
  KidNotFoundInJwksError,
} from "aws-jwt-verify/error";
import type { Fetcher } from "aws-jwt-verify/https";
import { SimpleJwksCache } from "aws-jwt-verify/jwk";
import type { APIGatewayAuthorizerResult, APIGatewayTokenAuthorizerEvent } from "aws-lambda";
import * as z from "zod/mini";

/** Whom tokens must come from, and whom they must be for. */
export interface Wanted {
  readonly issuer: string;
  readonly audience: readonly string[];
}

/** The claims of a token that is good. @throws JwtBaseError for one that is not, another error when nobody can say */
export type Verify = (token: string) => Promise<Readonly<Record<string, unknown>>>;

/** A token's keys, or where they are, cannot be had: the issuer is away, or says something else than it is configured to be. */
class IssuerError extends Error {}

const discovery = z.object({ issuer: z.string(), jwks_uri: z.string().check(z.regex(/^https:\/\//)) });

/** Where an issuer's keys are, as it says itself. OpenID Connect Discovery 1.0, section 4. */
async function keysOf(issuer: string, fetcher: Fetcher): Promise<string> {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const read = discovery.safeParse(JSON.parse(Buffer.from(await fetcher.fetch(address)).toString("utf8")));
  if (!read.success) throw new IssuerError(`${address}: no issuer and jwks_uri in it`);
  if (read.data.issuer !== issuer) throw new IssuerError(`${address}: it is for ${read.data.issuer}, not ${issuer}`);
  return read.data.jwks_uri;
}

/**
 * Judges tokens by what an HTTP API's JWT authoriser looks at: signature, `iss`, `aud` (`client_id` where there is none), `exp` and `nbf`.
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
 * The issuer's keys are fetched at the first token, and again for a key that is not known yet.
 */
export function verifierOf({ issuer, audience }: Wanted, fetcher: Fetcher): Verify {
  const create = async () =>
    JwtVerifier.create(
      {
        issuer,
        jwksUri: await keysOf(issuer, fetcher),
        // Looked at below: Cognito's access tokens name it `client_id`.
        audience: null,
        customJwtCheck: ({ payload }) => {
          if (typeof payload.exp !== "number") throw new JwtExpiredError("Token never expires", payload.exp);
          const named = payload.aud ?? (payload.client_id as string | undefined);
          assertStringArraysOverlap("Token audience", named, [...audience], JwtInvalidAudienceError);
        },
      },
      { jwksCache: new SimpleJwksCache({ fetcher }) },
    );
  let verifier: ReturnType<typeof create> | undefined;
  return async (token) => {
    verifier ??= create();
    try {
      return { ...(await (await verifier).verify(token)) };
    } catch (error) {
      // Not to be remembered: the issuer may be back for the next request.
      if (!(error instanceof JwtBaseError) || error instanceof FetchError) verifier = undefined;
      throw error;
    }
  };
}

const away = (error: unknown) =>
  !(error instanceof JwtBaseError) || error instanceof FetchError || error instanceof JwksValidationError;

/** Kinds of mistakes. The library's own messages quote the token. */
const kinds = [
  [JwtExpiredError, "expired"],
  [JwtNotBeforeError, "not valid yet"],
  [JwtInvalidIssuerError, "of another issuer"],
  [JwtInvalidAudienceError, "for another audience"],
  [JwtInvalidSignatureError, "signature"],
  [KidNotFoundInJwksError, "unknown key"],
] as const;

/** What handlers are told of a token: only text can be handed on. */
function contextOf({ sub, scope, scp }: Readonly<Record<string, unknown>>): Record<string, string> {
  const scopes = [scope, scp].flat().filter((value) => typeof value === "string");
  return { ...(typeof sub === "string" && { sub }), ...(scopes.length > 0 && { scope: scopes.join(" ") }) };
}

export interface Verdict {
  readonly answer: APIGatewayAuthorizerResult;
  /** The kind of mistake, with nothing of the token in it. */
  readonly refused?: string;
}

/**
 * Whether a bearer may call the API. A refusal is an answer, not an error: a bad token is the client's fault, and no alarm's.
 * @throws Error when the issuer's keys cannot be had
 */
export async function authorize(
  { authorizationToken, methodArn }: Pick<APIGatewayTokenAuthorizerEvent, "authorizationToken" | "methodArn">,
  verify: Verify,
): Promise<Verdict> {
  // The answer is kept for the token, not for the route: it has to hold for every route of the stage.
  const routes = `${methodArn.split("/", 2).join("/")}/*`;
  const answer = (
    Effect: "Allow" | "Deny",
    claims: Readonly<Record<string, unknown>> = {},
  ): APIGatewayAuthorizerResult => ({
    principalId: "bearer",
    policyDocument: {
      Version: "2012-10-17",
      Statement: [{ Action: "execute-api:Invoke", Effect, Resource: routes }],
    },
    ...(Object.keys(contextOf(claims)).length > 0 && { context: contextOf(claims) }),
  });
  try {
    return { answer: answer("Allow", await verify(authorizationToken.replace(/^Bearer\s+/i, ""))) };
  } catch (error) {
    if (away(error)) throw error;
    return { answer: answer("Deny"), refused: kinds.find(([kind]) => error instanceof kind)?.[1] ?? "malformed" };
  }
}
