import { templatesOf } from "./support";

/**
 * What every change of code changes in a template, and nothing else: the digest of the Python code, in its object's name. Functions have
 * none here, as they are not bundled.
 */
const redact = (template: object): unknown =>
  JSON.parse(JSON.stringify(template).replace(/\b[0-9a-f]{64}(?=\.(gz|zip)\b)/g, "<digest>"));

describe("templates of dev", () => {
  test.each(Object.entries(templatesOf("dev")))("%s is as it was looked at", (_, template) => {
    expect(redact(template.toJSON())).toMatchSnapshot();
  });
});
