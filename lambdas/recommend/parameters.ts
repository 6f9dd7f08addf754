import type { APIGatewayProxyEventV2 } from "aws-lambda";
import * as z from "zod/mini";
import { AGE_GROUPS, ID, PLACE } from "../shared/release";

/**
 * The same rules as in `shared/recommendations.ts`, which describes them for the OpenAPI document: written again in
 * zod's small form, a tenth of the size, as every byte of this function is loaded at its cold start.
 */
const parameters = z.object({
  id: z.string().check(z.regex(ID, "expected 1 to 64 letters, digits, _ or -")),
  limit: z.pipe(
    z._default(z.string(), "20").check(z.regex(/^([1-9]\d?|100)$/, "expected a whole number from 1 to 100")),
    z.transform((text: string) => Number(text)),
  ),
  ageGroup: z.optional(z.enum(AGE_GROUPS, `expected one of ${AGE_GROUPS.join(", ")}`)),
  place: z.optional(z.string().check(z.regex(PLACE, "expected a country, or country and region, like US-CA"))),
});

export interface Request {
  readonly listenerId: string;
  readonly limit: number;
  readonly ageGroup?: string | undefined;
  readonly place?: string | undefined;
}

export interface ParameterError {
  readonly field: string;
  readonly message: string;
}

/** What the client asks for, or what is wrong with each parameter. Unknown parameters are left alone. */
export function readRequest(
  event: Pick<APIGatewayProxyEventV2, "pathParameters" | "queryStringParameters">,
): { request: Request } | { errors: ParameterError[] } {
  const read = parameters.safeParse({ ...event.queryStringParameters, id: event.pathParameters?.id });
  if (read.success) {
    const { id: listenerId, ...rest } = read.data;
    return { request: { listenerId, ...rest } };
  }
  return { errors: read.error.issues.map(({ path, message }) => ({ field: path.join("."), message })) };
}
