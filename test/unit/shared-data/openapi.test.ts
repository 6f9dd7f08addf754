import { readFileSync } from "node:fs";
import path from "node:path";
import { openApiDocument } from "../../../lambdas/shared/openapi";

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
  const schemas = document.components?.schemas as Record<string, { oneOf?: { additionalProperties: boolean }[] }>;
  expect(schemas.Event!.oneOf!.map((schema) => schema.additionalProperties)).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
});
