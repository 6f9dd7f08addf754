import type { EnvironmentInput } from "../../lib/config";
import { resources, type Templates, templatesOf, text } from "./support";

const off = templatesOf("dev", {});
const on = templatesOf("dev", { delivery: { canary: "10-percent-5-minutes" } });
const properties = (templates: Templates, type: string) => resources(templates, type).map(([, one]) => one.Properties);

/** What the API calls for each route. */
const called = (templates: Templates) =>
  properties(templates, "AWS::ApiGatewayV2::Integration")
    .filter(({ IntegrationUri }) => IntegrationUri)
    .map(({ IntegrationUri }) => text(IntegrationUri));

describe("delivery.canary", () => {
  test("off: the API calls the functions, and there is nothing of CodeDeploy", () => {
    const types = resources(off).map(([, { Type }]) => Type);
    expect(types.filter((type) => /CodeDeploy|Lambda::(Alias|Version)/.test(type))).toEqual([]);
    for (const uri of called(off)) expect(uri).not.toMatch(/Live/);
  });

  test("on: the API calls the aliases of collect and recommend, and may", () => {
    const aliases = called(on).filter((uri) => /Live/.test(uri));
    expect(aliases).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/CollectDeliveryLive/),
        expect.stringMatching(/RecommendDeliveryLive/),
      ]),
    );
    const allowed = properties(on, "AWS::Lambda::Permission").map(({ FunctionName }) => text(FunctionName));
    for (const uri of aliases) expect(allowed).toContain(uri);
  });

  test("on: traffic moves by the chosen steps, and back when the alias fails or is slow", () => {
    const groups = properties(on, "AWS::CodeDeploy::DeploymentGroup");
    expect(groups).toHaveLength(2);
    for (const { DeploymentConfigName, AutoRollbackConfiguration, AlarmConfiguration } of groups) {
      expect(DeploymentConfigName).toBe("CodeDeployDefault.LambdaCanary10Percent5Minutes");
      expect(AutoRollbackConfiguration).toEqual({
        Enabled: true,
        Events: ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"],
      });
      expect(AlarmConfiguration.Enabled).toBe(true);
      expect(AlarmConfiguration.Alarms).toHaveLength(2);
    }
    for (const [id, alias] of resources(on, "AWS::Lambda::Alias")) {
      expect(id).toMatch(/^(Collect|Recommend)DeliveryLive/);
      expect(alias).toHaveProperty("UpdatePolicy.CodeDeployLambdaAliasUpdate.ApplicationName");
    }
  });

  test("on: the alarms look at the alias, not at the whole function", () => {
    const alarms = properties(on, "AWS::CloudWatch::Alarm");
    expect(alarms.map(({ MetricName }) => MetricName).sort()).toEqual(["Duration", "Duration", "Errors", "Errors"]);
    for (const { Dimensions } of alarms) {
      const alias = Dimensions.find(({ Name }: { Name: string }) => Name === "Resource");
      expect(text(alias.Value)).toMatch(/:live$/);
    }
  });

  test("an unknown step is refused with those there are", () => {
    const wrong = { delivery: { canary: "half" } } as unknown as EnvironmentInput;
    expect(() => templatesOf("dev", wrong)).toThrow(/delivery\.canary: "half".*use one of off, 10-percent-5-minutes/);
  });
});

describe("delivery.provisionedConcurrency", () => {
  const warm = templatesOf("dev", { delivery: { provisionedConcurrency: 3 } });
  const aliases = (templates: Templates) =>
    resources(templates, "AWS::Lambda::Alias").map(([id, { Properties }]) => [
      id.replace(/[0-9A-F]{8}$/, ""),
      Properties.ProvisionedConcurrencyConfig,
    ]);

  test("0: there is no alias", () => expect(aliases(off)).toEqual([]));

  test("keeps instances of recommend started, behind an alias that the API calls, without CodeDeploy", () => {
    expect(aliases(warm)).toEqual([["RecommendDeliveryLive", { ProvisionedConcurrentExecutions: 3 }]]);
    expect(called(warm).filter((uri) => /Live/.test(uri))).toHaveLength(1);
    const allowed = properties(warm, "AWS::Lambda::Permission").map(({ FunctionName }) => text(FunctionName));
    for (const uri of called(warm)) expect(allowed).toContain(uri);
    expect(resources(warm).filter(([, { Type }]) => /CodeDeploy/.test(Type))).toEqual([]);
  });

  test("goes with canaries: the same alias, so that neither switch takes it away from the API", () => {
    const both = templatesOf("dev", { delivery: { canary: "10-percent-5-minutes", provisionedConcurrency: 3 } });
    expect(aliases(both)).toEqual([
      ["CollectDeliveryLive", undefined],
      ["RecommendDeliveryLive", { ProvisionedConcurrentExecutions: 3 }],
    ]);
    const id = (templates: Templates) =>
      resources(templates, "AWS::Lambda::Alias")
        .map(([id]) => id)
        .filter((id) => id.startsWith("Recommend"));
    expect(id(both)).toEqual(id(warm));
  });

  test.each([-1, 1.5, 1001])("%d is refused", (provisionedConcurrency) => {
    expect(() => templatesOf("dev", { delivery: { provisionedConcurrency } })).toThrow(
      /delivery\.provisionedConcurrency: .* is not allowed; must be/,
    );
  });
});
