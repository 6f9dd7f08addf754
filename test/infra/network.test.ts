import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Template } from "aws-cdk-lib/assertions";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { environments } from "../../config";
import type { EnvironmentInput } from "../../lib/config";
import { reachOf, reachPage } from "./reach";
import { appOf, templatesOf } from "./support";

const page = join(__dirname, "../../docs/network.md");
const key: EnvironmentInput = { encryption: { key: "own" } };

describe("reach of functions", () => {
  test.each<[string, EnvironmentInput | undefined]>([
    ...Object.keys(environments).map((name): [string, undefined] => [name, undefined]),
    ["dev", key],
  ])("%s %j: none in the VPC may call what it has no way to", (name, input) => {
    const reaches = reachOf(templatesOf(name, input));
    expect(reaches.filter(({ inVpc }) => inVpc).length).toBeGreaterThanOrEqual(6);
    expect(reaches.filter(({ stranded }) => stranded.length)).toEqual([]);
  });

  test.each([
    ["an API without an endpoint", "publish", "kinesis:PutRecord"],
    ["S3, from a function whose group does not let it out", "migrate", "s3:GetObject"],
    ["S3, with what the endpoint refuses", "promote", "s3:PutObjectAcl"],
  ])("a function in the VPC that may call %s is found", (_, name, action) => {
    const { stacks } = appOf("dev");
    const { data, serving, model } = stacks;
    const functions = [...data.node.findAll(), ...serving.node.findAll()];
    const target = functions.find(
      (one): one is LambdaFunction => one instanceof LambdaFunction && one.node.id.toLowerCase() === name,
    );
    target?.addToRolePolicy(new PolicyStatement({ actions: [action], resources: ["*"] }));
    const reaches = reachOf({
      data: Template.fromStack(data),
      serving: Template.fromStack(serving),
      model: Template.fromStack(model),
    });
    expect(reaches.filter(({ stranded }) => stranded.length).map((one) => [one.name, one.stranded])).toEqual([
      [name, [action]],
    ]);
  });

  test("is what docs/network.md says; if not, run npm run network", () => {
    expect(readFileSync(page, "utf8")).toBe(reachPage(reachOf(templatesOf("dev"))));
  });
});
