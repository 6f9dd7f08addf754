import type { APIGatewayProxyEventV2 } from "aws-lambda";
import * as z from "zod/mini";
import { EXCLUDE, GENRES } from "../shared/recommendations-form";
import { AGE_GROUPS, ID, PLACE } from "../shared/release";
import { Kept } from "../shared/remembered";
import type { Wishes } from "./refine";

const number = (low: number, high: number) =>
  z.pipe(
    z
      .string()
      .check(
        z.refine(
          (text) => text.trim() !== "" && Number(text) >= low && Number(text) <= high,
          `expected a number from ${low} to ${high}`,
        ),
      ),
    z.transform((text: string) => Number(text)),
  );
const list = (form: RegExp, expected: string, tidy: (item: string) => string = (item) => item) =>
  z.pipe(
    z.string().check(z.regex(form, expected)),
    z.transform((text: string) => text.split(",").map(tidy)),
  );

const wishes = {
  limit: z.pipe(
    z._default(z.string(), "20").check(z.regex(/^([1-9]\d?|100)$/, "expected a whole number from 1 to 100")),
    z.transform((text: string) => Number(text)),
  ),
  exclude: z.optional(list(EXCLUDE, "expected up to 100 artist ids, separated by commas")),
  genre: z.optional(
    list(GENRES, "expected up to 20 genres of at most 64 characters, separated by commas", (genre) =>
      genre.trim().toLowerCase(),
    ),
  ),
  threshold: z.optional(number(-1, 1)),
  diversity: z.optional(number(0, 1)),
  place: z.optional(z.string().check(z.regex(PLACE, "expected a country, or country and region, like US-CA"))),
};

/**
 * The same rules as in `shared/recommendations.ts`, which describes them for the OpenAPI document: written again in
 * zod's small form, a tenth of the size, as every byte of this function is loaded at its cold start.
 */
const popularParameters = z.object(wishes);
const id = z.string().check(z.regex(ID, "expected 1 to 64 letters, digits, _ or -"));
const { limit, genre, threshold } = wishes;
const similarParameters = z.object({ limit, genre, threshold, id });
const parameters = z.object({
  ...wishes,
  id,
  played: z.optional(
    z.pipe(
      z.enum(["true", "false"], "expected true or false"),
      z.transform((text) => text === "true"),
    ),
  ),
  ageGroup: z.optional(z.enum(AGE_GROUPS, `expected one of ${AGE_GROUPS.join(", ")}`)),
});

export interface PopularRequest extends Wishes {
  readonly place?: string | undefined;
}

export interface Request extends PopularRequest {
  readonly listenerId: string;
  readonly ageGroup?: string | undefined;
  /** Whether artists that were played since the last run may be in the list. */
  readonly played?: boolean | undefined;
}

export interface SimilarRequest extends Pick<Wishes, "limit" | "genre" | "threshold"> {
  readonly artistId: string;
}

export interface ParameterError {
  readonly field: string;
  readonly message: string;
}

type Event = Pick<APIGatewayProxyEventV2, "pathParameters" | "queryStringParameters">;
type Read<R> = { request: R } | { errors: ParameterError[] };

const errors = ({ issues }: z.core.$ZodError): { errors: ParameterError[] } => ({
  errors: issues.map(({ path, message }) => ({ field: path.join("."), message })),
});

/** Longer queries are rare, and would fill the memory. */
const LONGEST_KEPT = 200;
/** What the parameters say apart from the id, which is another for each listener. */
const asked = new Kept<string, Omit<Request, "listenerId">>(1000);

/** What the client asks for, or what is wrong with each parameter. Unknown parameters are left alone. */
export function readRequest({ pathParameters, queryStringParameters }: Event): Read<Request> {
  const query = JSON.stringify(queryStringParameters ?? {});
  const known = asked.get(query);
  const path = pathParameters?.id;
  if (known && path !== undefined && ID.test(path)) return { request: { listenerId: path, ...known } };
  const read = parameters.safeParse({ ...queryStringParameters, id: path });
  if (!read.success) return errors(read.error);
  const { id: listenerId, ...rest } = read.data;
  if (query.length <= LONGEST_KEPT) asked.set(query, rest);
  return { request: { listenerId, ...rest } };
}

/** Likewise, of `GET /v1/popular`. */
export function readPopularRequest(event: Event): Read<PopularRequest> {
  const read = popularParameters.safeParse(event.queryStringParameters ?? {});
  return read.success ? { request: read.data } : errors(read.error);
}

/** Likewise, of `GET /v1/artists/{id}/similar`. */
export function readSimilarRequest(event: Event): Read<SimilarRequest> {
  const read = similarParameters.safeParse({ ...event.queryStringParameters, id: event.pathParameters?.id });
  if (!read.success) return errors(read.error);
  const { id: artistId, ...rest } = read.data;
  return { request: { artistId, ...rest } };
}
