import { readFileSync } from "node:fs";
import path from "node:path";
import { openApiDocument } from "../../../lambdas/shared/openapi";
import { breakingChanges } from "../../support/breaking-changes";

const document = openApiDocument();

test("docs/openapi.json is up to date: `npm run openapi` writes it", () => {
  const committed = JSON.parse(readFileSync(path.join(__dirname, "../../../docs/openapi.json"), "utf8"));
  expect(committed).toEqual(JSON.parse(JSON.stringify(document)));
});

test("it describes each answer of each path, and refuses unknown fields as the handler does", () => {
  const paths = document.paths as Record<string, Record<string, { responses: object }>>;
  expect(Object.keys(paths["/v1/events"]!.post!.responses)).toEqual(["202", "207", "400", "413", "503"]);
  expect(Object.keys(paths["/v1/listeners/{id}/recommendations"]!.get!.responses)).toEqual([
    "200",
    "400",
    "403",
    "503",
  ]);
  expect(Object.keys(paths["/v1/popular"]!.get!.responses)).toEqual(["200", "304", "400", "503"]);
  expect(Object.keys(paths["/v1/health"]!.get!.responses)).toEqual(["200", "503"]);
  expect(Object.keys(paths["/v1/listeners/{id}"]!.delete!.responses)).toEqual(["202", "400", "403", "503"]);
  expect(Object.keys(paths["/v1/listeners/{id}/data"]!.get!.responses)).toEqual(["202", "400", "403", "503"]);
  expect(Object.keys(paths["/v1/requests/{id}"]!.get!.responses)).toEqual(["200", "404", "410"]);
  const schemas = document.components?.schemas as Record<string, { oneOf?: { additionalProperties: boolean }[] }>;
  expect(schemas.Event!.oneOf!.map((schema) => schema.additionalProperties)).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
});

describe("clients written for an earlier document", () => {
  const plain = () => JSON.parse(JSON.stringify(document));

  test("still work: what version 1.0.0 promised is kept", () => {
    const baseline = readFileSync(path.join(__dirname, "../../vectors/openapi-1.0.0.json"), "utf8");
    expect(breakingChanges(JSON.parse(baseline), plain())).toEqual([]);
  });

  // biome-ignore lint/suspicious/noExplicitAny: a document is changed at any depth
  type Change = (document: any) => void;
  const recommendations = "/v1/listeners/{id}/recommendations";
  const breaking: [string, Change, string][] = [
    ["a path gone", (d) => delete d.paths["/v1/popular"], "GET /v1/popular is gone"],
    ["a parameter gone", (d) => d.paths["/v1/popular"].get.parameters.shift(), "query parameter limit is gone"],
    [
      "a parameter newly required",
      (d) => {
        d.paths["/v1/popular"].get.parameters[1].required = true;
      },
      "query parameter exclude is now required",
    ],
    [
      "a new required parameter",
      (d) => (d.paths["/v1/health"].get.parameters = [{ in: "query", name: "deep", required: true, schema: {} }]),
      "query parameter deep is new and required",
    ],
    [
      "a lower maximum",
      (d) => {
        d.paths["/v1/popular"].get.parameters[0].schema.maximum = 50;
      },
      "maximum was 100, is 50",
    ],
    [
      "an age group no longer taken",
      (d) => {
        const { parameters } = d.paths[recommendations].get;
        parameters.find((one: { name: string }) => one.name === "ageGroup").schema.enum.pop();
      },
      "query parameter ageGroup: values",
    ],
    ["an answer gone", (d) => delete d.paths["/v1/popular"].get.responses["304"], "answer 304 is gone"],
    [
      "a field of an answer gone",
      (d) => delete d.components.schemas.Recommendations.properties.release,
      "answer 200.release is gone",
    ],
    [
      "a field no longer promised",
      (d) => d.components.schemas.Popular.required.shift(),
      "answer 200.release is no longer promised",
    ],
    [
      "another type",
      (d) => {
        d.components.schemas.Popular.properties.items.items.properties.rank.type = "string";
      },
      'type was "integer", is "string"',
    ],
    [
      "a new kind of answer",
      (d) => d.components.schemas.Popular.properties.source.enum.push("random"),
      "answer 200.source: values",
    ],
    ["a kind of event no longer taken", (d) => d.components.schemas.Event.oneOf.pop(), "5 alternatives are now 4"],
    [
      "a field that events must newly have",
      (d) => d.components.schemas.Event.oneOf[0].required.push("songId"),
      "songId is now required",
    ],
  ];
  test.each(breaking)("would be broken by %s", (_, change, message) => {
    const after = plain();
    change(after);
    expect(breakingChanges(plain(), after)).toContainEqual(expect.stringContaining(message));
  });

  test.each<[string, Change]>([
    [
      "a path",
      (d) => {
        d.paths["/v1/new"] = d.paths["/v1/health"];
      },
    ],
    [
      "an optional parameter",
      (d) => d.paths["/v1/popular"].get.parameters.push({ in: "query", name: "x", schema: {} }),
    ],
    [
      "a field of an answer",
      (d) => {
        d.components.schemas.Popular.properties.more = { type: "string" };
      },
    ],
    ["a kind of event", (d) => d.components.schemas.Event.oneOf.push({ type: "object" })],
    [
      "a higher maximum",
      (d) => {
        d.paths["/v1/popular"].get.parameters[0].schema.maximum = 200;
      },
    ],
  ])("are not broken by a new %s", (_, change) => {
    const after = plain();
    change(after);
    expect(breakingChanges(plain(), after)).toEqual([]);
  });
});
