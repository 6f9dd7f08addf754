/** What an authoriser of tokens found; an authoriser of AWS credentials leaves nothing. */
interface Authorizer {
  readonly jwt?: { readonly claims: Readonly<Record<string, unknown>> };
}

/** Scopes of a token: RFC 8693's `scope`, or `scp`. API Gateway writes lists as `[a b]`. */
const scopesOf = ({ scope, scp }: Readonly<Record<string, unknown>>): string[] =>
  [scope, scp]
    .flat()
    .filter((value) => typeof value === "string")
    .flatMap((value) => value.replace(/^\[|\]$/g, "").split(/[\s,]+/));

/**
 * Whose events a caller may send: anybody's (`undefined`) for a service, which signs with AWS credentials or brings a token with
 * the scope of services; otherwise the account that the token is for, which is nobody's (`""`) when it names none.
 * @param serviceScope empty where tokens have none
 */
export function senderOf(authorizer: Authorizer | undefined, serviceScope: string): string | undefined {
  const claims = authorizer?.jwt?.claims;
  if (!claims) return undefined;
  if (serviceScope !== "" && scopesOf(claims).includes(serviceScope)) return undefined;
  return typeof claims.sub === "string" ? claims.sub : "";
}
