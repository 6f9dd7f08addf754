import { z } from "zod";
import { createDocument } from "zod-openapi";
import { eventSchema, eventsAnswerSchema, eventsRequestSchema, rejectionSchema } from "./events";
import { DEFAULT_LIMITS } from "./limits";
import { privacyBegunSchema, privacyStatusSchema, requestPathSchema } from "./privacy-forms";
import {
  healthSchema,
  idPathSchema,
  popularQuerySchema,
  popularSchema,
  recommendationsQuerySchema,
  recommendationsSchema,
  similarQuerySchema,
  similarSchema,
} from "./recommendations";

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    errors: z.array(rejectionSchema).optional(),
  })
  .meta({ id: "Problem", description: "RFC 9457" });

const jsonOf = (description: string, schema: z.ZodType) => ({
  description,
  content: { "application/json": { schema } },
});
const problemOf = (description: string) => ({
  description,
  content: { "application/problem+json": { schema: problemSchema } },
});

const similarToFirst = {
  similar: { operationId: "getSimilarArtists", parameters: { id: "$response.body#/items/0/artistId" } },
};

const begun = {
  "202": {
    ...jsonOf("It has begun; `location` says where to look", privacyBegunSchema),
    headers: z.object({ location: z.string(), "retry-after": z.string() }),
    links: { status: { operationId: "getRequest", parameters: { id: "$response.body#/requestId" } } },
  },
  "400": problemOf("A parameter is wrong"),
  "403": problemOf("The token is another listener's"),
  "503": problemOf("It could not be begun; send the request again"),
};

/** JSON Schema (2020-12) of one event, version 1, from the schema that the handlers validate with. */
export const eventJsonSchema = () => ({
  ...z.toJSONSchema(eventSchema, { io: "input" }),
  title: "Segue event, version 1",
});

/** The OpenAPI 3.1 document of the HTTP API, from the schemas that the handlers validate with. */
export const openApiDocument = () =>
  createDocument({
    openapi: "3.1.0",
    info: {
      title: "Segue",
      version: "1.0.0",
      description: "Collects what listeners do and recommends artists to them.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    components: {
      securitySchemes: {
        sigv4: {
          type: "apiKey",
          name: "Authorization",
          in: "header",
          description: "AWS Signature Version 4, service execute-api",
        },
      },
    },
    security: [{ sigv4: [] }],
    paths: {
      "/v1/events": {
        post: {
          operationId: "sendEvents",
          summary: `Takes 1 to ${DEFAULT_LIMITS.perRequest} events, at most ${DEFAULT_LIMITS.requestBytes} bytes`,
          requestBody: { required: true, content: { "application/json": { schema: eventsRequestSchema } } },
          responses: {
            "202": jsonOf("All events were kept", eventsAnswerSchema),
            "207": jsonOf("Some events were kept; the others are listed", eventsAnswerSchema),
            "400": problemOf("The body is malformed, or no event is good"),
            "413": problemOf("The body is too large"),
            "503": problemOf("The stream did not take the events; send them again"),
          },
        },
      },
      "/v1/listeners/{id}/recommendations": {
        get: {
          operationId: "getRecommendations",
          summary: "Artists for one listener, best first",
          requestParams: { path: idPathSchema, query: recommendationsQuerySchema },
          responses: {
            "200": {
              ...jsonOf(
                "The listener's list, else one computed from their last clicks and plays, else that of their age group and place, else the popular one",
                recommendationsSchema,
              ),
              links: similarToFirst,
            },
            "400": problemOf("A parameter is wrong"),
            "403": problemOf("The token is another listener's"),
            "503": problemOf("No release is published, or the cache is away and no popular list is known"),
          },
        },
      },
      "/v1/popular": {
        get: {
          operationId: "getPopular",
          summary: "What is popular, everywhere or in a place",
          requestParams: {
            query: popularQuerySchema,
            header: z.object({ "if-none-match": z.string().optional() }),
          },
          responses: {
            "200": {
              ...jsonOf("The popular list", popularSchema),
              links: similarToFirst,
              headers: z.object({ etag: z.string(), "cache-control": z.string() }),
            },
            "304": { description: "The list is the one that `if-none-match` names" },
            "400": problemOf("A parameter is wrong"),
            "503": problemOf("No release is published, or the cache is away and no popular list is known"),
          },
        },
      },
      "/v1/artists/{id}/similar": {
        get: {
          operationId: "getSimilarArtists",
          summary: "Artists like one artist, best first",
          requestParams: {
            path: idPathSchema,
            query: similarQuerySchema,
            header: z.object({ "if-none-match": z.string().optional() }),
          },
          responses: {
            "200": {
              ...jsonOf("The artists whose listeners are the same", similarSchema),
              headers: z.object({ etag: z.string(), "cache-control": z.string() }),
            },
            "304": { description: "The list is the one that `if-none-match` names" },
            "400": problemOf("A parameter is wrong"),
            "404": problemOf("The release that serves knows no artist like this one"),
            "503": problemOf("No release is published, or the cache is away"),
          },
        },
      },
      "/v1/health": {
        get: {
          operationId: "getHealth",
          summary: "Whether recommendations can be answered now",
          responses: {
            "200": jsonOf("A release serves and the cache answers", healthSchema),
            "503": problemOf("No release is published, or the cache is away"),
          },
        },
      },
      "/v1/listeners/{id}": {
        delete: {
          operationId: "eraseListener",
          summary: "Begins to erase a listener from every store",
          requestParams: { path: idPathSchema },
          responses: begun,
        },
      },
      "/v1/listeners/{id}/data": {
        get: {
          operationId: "exportListener",
          summary: "Begins to write down all that is kept about a listener",
          requestParams: { path: idPathSchema },
          responses: begun,
        },
      },
      "/v1/requests/{id}": {
        get: {
          operationId: "getRequest",
          summary: "How an erasure or an export stands, with its report or its link",
          requestParams: { path: requestPathSchema },
          responses: {
            "200": jsonOf("How the request stands", privacyStatusSchema),
            "404": problemOf("There is no such request of the caller's"),
            "410": problemOf("The export has been deleted"),
          },
        },
      },
    },
  });
