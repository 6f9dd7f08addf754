import fc from "fast-check";
import { httpEvent, type RestEvent } from "../../../lambdas/shared/http-event";

const rest: RestEvent = {
  httpMethod: "GET",
  resource: "/v1/listeners/{id}/recommendations",
  headers: { "If-None-Match": '"a"', Host: "x.example" },
  pathParameters: { id: "l1" },
  queryStringParameters: { limit: "5", genre: "rock" },
  multiValueQueryStringParameters: { limit: ["5"], genre: ["jazz", "rock"] },
  body: null,
  isBase64Encoded: false,
  requestContext: { requestId: "r-1" },
};

describe("a REST API's event", () => {
  test("becomes an HTTP API's: route, headers in lower case, every value of a parameter, nothing that is null", () => {
    expect(httpEvent(rest)).toEqual({
      routeKey: "GET /v1/listeners/{id}/recommendations",
      headers: { "if-none-match": '"a"', host: "x.example" },
      pathParameters: { id: "l1" },
      queryStringParameters: { limit: "5", genre: "jazz,rock" },
      isBase64Encoded: false,
      requestContext: { requestId: "r-1" },
    });
  });

  test("without parameters, headers and body has none", () => {
    const bare = { ...rest, pathParameters: null, queryStringParameters: null, multiValueQueryStringParameters: null };
    expect(httpEvent({ ...bare, headers: null as never })).toEqual({
      routeKey: `${rest.httpMethod} ${rest.resource}`,
      headers: {},
      isBase64Encoded: false,
      requestContext: { requestId: "r-1" },
    });
  });

  test("keeps a body as it is", () => {
    fc.assert(
      fc.property(fc.string(), fc.boolean(), (body, isBase64Encoded) => {
        expect(httpEvent({ ...rest, body, isBase64Encoded })).toMatchObject({ body, isBase64Encoded });
      }),
    );
  });

  test.each([
    ["AWS credentials", undefined, undefined],
    ["AWS credentials, said as null", null, undefined],
    ["AWS credentials, with no principal", { integrationLatency: 3 }, undefined],
    ["a token", { principalId: "bearer", sub: "l1" }, { jwt: { claims: { sub: "l1" } } }],
    [
      "a service's token",
      { principalId: "bearer", sub: "client", scope: "segue/send" },
      { jwt: { claims: { sub: "client", scope: "segue/send" } } },
    ],
    ["a token without sub, which is nobody's", { principalId: "bearer" }, { jwt: { claims: {} } }],
  ])("by %s says so as an HTTP API does", (_, authorizer, expected) => {
    const { requestContext } = httpEvent({ ...rest, requestContext: { requestId: "r-1", authorizer } });
    expect(requestContext.authorizer).toEqual(expected);
  });
});

test("an HTTP API's event is left alone", () => {
  const event = {
    routeKey: "GET /v1/popular",
    headers: {},
    isBase64Encoded: false,
    requestContext: { requestId: "r-1", authorizer: { jwt: { claims: { sub: "l1" } } } },
  };
  expect(httpEvent(event)).toBe(event);
});
