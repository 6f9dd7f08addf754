/** A JSON object of an OpenAPI document. */
type Node = Readonly<Record<string, unknown>>;

const object = (value: unknown): Node => (value && typeof value === "object" ? (value as Node) : {});
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const METHODS = ["get", "put", "post", "delete", "patch"];

/**
 * What of an OpenAPI document would break a client that was written for an earlier one: something gone, something newly asked
 * of requests, something no longer promised of answers. Knows what `zod-openapi` writes; rules as in https://www.oasdiff.com.
 */
export function breakingChanges(before: unknown, after: unknown): string[] {
  const found: string[] = [];
  const [olds, news] = [object(object(before).paths), object(object(after).paths)];
  for (const [path, methods] of Object.entries(olds)) {
    for (const method of METHODS.filter((name) => name in object(methods))) {
      const name = `${method.toUpperCase()} ${path}`;
      const now = object(news[path])[method];
      if (!now) found.push(`${name} is gone`);
      else found.push(...operation(name, [before, object(object(methods)[method])], [after, object(now)]));
    }
  }
  return found;
}

/** A document, and a node in it. */
type At = readonly [document: unknown, node: Node];

function resolve([document, node]: At): Node {
  if (typeof node.$ref !== "string") return node;
  const steps = node.$ref.slice(2).split("/");
  return resolve([document, object(steps.reduce<unknown>((at, step) => object(at)[step], document))]);
}
const child = (at: At, ...steps: string[]): At => [
  at[0],
  object(steps.reduce<unknown>((node, step) => object(node)[step], resolve(at))),
];

function operation(name: string, before: At, after: At): string[] {
  const found: string[] = [];
  const parameters = (at: At) =>
    new Map(list(at[1].parameters).map((one) => [`${object(one).in} parameter ${object(one).name}`, object(one)]));
  const [olds, news] = [parameters(before), parameters(after)];
  for (const [key, old] of olds) {
    const now = news.get(key);
    if (!now) found.push(`${name}: ${key} is gone`);
    else {
      if (now.required && !old.required) found.push(`${name}: ${key} is now required`);
      found.push(
        ...schema(`${name}: ${key}`, "request", child([before[0], old], "schema"), child([after[0], now], "schema")),
      );
    }
  }
  for (const [key, now] of news) if (now.required && !olds.has(key)) found.push(`${name}: ${key} is new and required`);
  const body = (at: At) => child(at, "requestBody", "content", "application/json", "schema");
  found.push(...schema(`${name}: body`, "request", body(before), body(after)));
  for (const [status, old] of Object.entries(object(before[1].responses))) {
    const now = object(after[1].responses)[status];
    if (!now) found.push(`${name}: answer ${status} is gone`);
    for (const type of Object.keys(object(object(old).content))) {
      const at = (document: unknown, response: unknown) =>
        child([document, object(response)], "content", type, "schema");
      found.push(...schema(`${name}: answer ${status}`, "answer", at(before[0], old), at(after[0], now)));
    }
  }
  return found;
}

type Side = "request" | "answer";

/** A request's schema may only accept more, an answer's only promise more. */
function schema(name: string, side: Side, before: At, after: At): string[] {
  const [old, now] = [resolve(before), resolve(after)];
  const found: string[] = [];
  for (const keyword of ["type", "const", "format", "pattern"]) {
    const [was, is] = [old[keyword], now[keyword]];
    const loosened = side === "request" ? is === undefined : was === undefined;
    if (JSON.stringify(was) !== JSON.stringify(is) && !loosened) {
      found.push(`${name}: ${keyword} was ${JSON.stringify(was)}, is ${JSON.stringify(is)}`);
    }
  }
  const [wider, narrower] = side === "request" ? [now, old] : [old, now];
  const missing =
    wider.enum === undefined ? [] : list(narrower.enum).filter((value) => !list(wider.enum).includes(value));
  if (missing.length > 0 || (wider.enum && !narrower.enum))
    found.push(`${name}: values ${JSON.stringify(now.enum)} were ${JSON.stringify(old.enum)}`);
  const bounds = { minimum: -1, minLength: -1, minItems: -1, maximum: 1, maxLength: 1, maxItems: 1 } as const;
  for (const [keyword, direction] of Object.entries(bounds)) {
    const open = direction * Number.POSITIVE_INFINITY;
    const value = (node: Node) => (typeof node[keyword] === "number" ? (node[keyword] as number) : open);
    if (direction * (value(wider) - value(narrower)) < 0)
      found.push(`${name}: ${keyword} was ${old[keyword]}, is ${now[keyword]}`);
  }
  const required = (node: Node) => list(node.required).map(String);
  const [asked, promised] = [required(now), required(old)];
  if (side === "request") {
    for (const key of asked) if (!promised.includes(key)) found.push(`${name}.${key} is now required`);
  } else {
    for (const key of promised) if (!asked.includes(key)) found.push(`${name}.${key} is no longer promised`);
  }
  for (const key of Object.keys(object(old.properties))) {
    if (!(key in object(now.properties))) found.push(`${name}.${key} is gone`);
    else
      found.push(...schema(`${name}.${key}`, side, child(before, "properties", key), child(after, "properties", key)));
  }
  if (old.items) found.push(...schema(`${name}[]`, side, child(before, "items"), child(after, "items")));
  for (const keyword of ["oneOf", "anyOf"]) {
    const [olds, news] = [list(old[keyword]), list(now[keyword])];
    if (olds.length > news.length || (side === "answer" && olds.length < news.length)) {
      found.push(`${name}: ${olds.length} alternatives are now ${news.length}`);
      continue;
    }
    olds.forEach((one, i) => {
      found.push(...schema(`${name} (${i + 1})`, side, [before[0], object(one)], [after[0], object(news[i])]));
    });
  }
  return found;
}
