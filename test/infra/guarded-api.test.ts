import type { EnvironmentInput } from "../../lib/config";
import { resource, resources, type Templates, templatesOf, text } from "./support";

const jwt = { type: "jwt" as const, issuer: "https://id.example.com", audience: ["segue", "other"] };
const off = templatesOf("dev", {});
const on = templatesOf("dev", { api: { waf: { requestsPerAddress: 500 } } });
const tokens = templatesOf("dev", { api: { waf: {}, auth: jwt } });
const properties = (templates: Templates, type: string) => resources(templates, type).map(([, one]) => one.Properties);

/** `GET /v1/popular by AWS_IAM`, from resources and methods of a REST API. */
function methods(templates: Templates): string[] {
  const parts = new Map(resources(templates, "AWS::ApiGateway::Resource").map(([id, one]) => [id, one.Properties]));
  const path = (id: string): string => {
    const part = parts.get(id);
    return part ? `${path(part.ParentId.Ref ?? "")}/${part.PathPart}` : "";
  };
  return properties(templates, "AWS::ApiGateway::Method")
    .map(
      ({ HttpMethod, ResourceId, AuthorizationType }) =>
        `${HttpMethod} ${path(ResourceId.Ref)} by ${AuthorizationType}`,
    )
    .sort();
}

describe("api.waf", () => {
  test("off: an HTTP API, and nothing of a REST API or a firewall", () => {
    const types = resources(off).map(([, { Type }]) => Type);
    expect(types.filter((type) => /^AWS::(ApiGateway|WAFv2)::/.test(type))).toEqual([]);
    expect(types).toContain("AWS::ApiGatewayV2::Api");
  });

  test("on: a REST API in its place, with the same routes and nothing open", () => {
    expect(resources(on).filter(([, { Type }]) => Type.startsWith("AWS::ApiGatewayV2"))).toEqual([]);
    const routes = properties(off, "AWS::ApiGatewayV2::Route").map(({ RouteKey }) => RouteKey as string);
    expect(routes.length).toBeGreaterThanOrEqual(4);
    expect(methods(on)).toEqual(routes.map((route) => `${route} by AWS_IAM`).sort());
    expect(methods(tokens)).toEqual(routes.map((route) => `${route} by CUSTOM`).sort());
  });

  test("on: throttled as the HTTP API, over TLS 1.2 or later, and logs no listener", () => {
    const [stage] = properties(on, "AWS::ApiGateway::Stage");
    expect(stage.MethodSettings).toEqual([
      expect.objectContaining({
        HttpMethod: "*",
        ResourcePath: "/*",
        ThrottlingRateLimit: 50,
        ThrottlingBurstLimit: 100,
        DataTraceEnabled: false,
      }),
    ]);
    expect(stage.MethodSettings[0].LoggingLevel ?? "OFF").toBe("OFF");
    expect(stage.AccessLogSetting.Format).toContain("$context.resourcePath");
    expect(stage.AccessLogSetting.Format).not.toMatch(/\$context\.(path|identity|authorizer)/);
    const [api] = properties(on, "AWS::ApiGateway::RestApi");
    expect(api).toMatchObject({
      SecurityPolicy: "SecurityPolicy_TLS13_1_2_2021_06",
      EndpointConfiguration: { Types: ["REGIONAL"] },
    });
  });

  test("on: the account's role for logs is left to its owner", () => {
    expect(resources(on, "AWS::ApiGateway::Account")).toEqual([]);
  });

  test("on: the firewall is before the stage", () => {
    const [{ ResourceArn, WebACLArn }] = properties(on, "AWS::WAFv2::WebACLAssociation") as [Record<string, unknown>];
    expect(text(ResourceArn)).toMatch(
      /^arn:\$\{AWS::Partition\}:apigateway:\$\{AWS::Region\}::\/restapis\/\$\{GuardedApiRest\w+\}\/stages\/\$\{GuardedApiRestDeploymentStagelive\w+\}$/,
    );
    expect(text(WebACLArn)).toMatch(/^\$\{GuardedApiFirewallAcl\w*\.Arn\}$/);
  });

  test("on: rules by address, by name and by form, the size of a body counted alone, within 1,500 units", () => {
    const [acl] = properties(on, "AWS::WAFv2::WebACL");
    expect(acl).toMatchObject({ Scope: "REGIONAL", DefaultAction: { Allow: {} } });
    const [rate, ...managed] = acl.Rules;
    expect(rate).toMatchObject({
      Action: { Block: {} },
      Statement: { RateBasedStatement: { AggregateKeyType: "IP", Limit: 500, EvaluationWindowSec: 300 } },
    });
    expect(managed.map(({ Statement }: typeof rate) => Statement.ManagedRuleGroupStatement.Name)).toEqual([
      "AWSManagedRulesAmazonIpReputationList",
      "AWSManagedRulesCommonRuleSet",
      "AWSManagedRulesKnownBadInputsRuleSet",
    ]);
    for (const { OverrideAction } of managed) expect(OverrideAction).toEqual({ None: {} });
    const overrides = managed.flatMap(
      ({ Statement }: typeof rate) => Statement.ManagedRuleGroupStatement.RuleActionOverrides ?? [],
    );
    expect(overrides).toEqual([{ Name: "SizeRestrictions_BODY", ActionToUse: { Count: {} } }]);
    for (const { VisibilityConfig } of [acl, ...acl.Rules]) {
      expect(VisibilityConfig).toMatchObject({ CloudWatchMetricsEnabled: true, SampledRequestsEnabled: false });
    }
  });

  test("on: what is refused is logged, without path, query and credentials", () => {
    const [logging] = properties(on, "AWS::WAFv2::LoggingConfiguration");
    expect(logging.RedactedFields).toEqual([
      { UriPath: {} },
      { QueryString: {} },
      { SingleHeader: { Name: "authorization" } },
    ]);
    expect(logging.LoggingFilter.DefaultBehavior).toBe("DROP");
    const group = resource(on, "AWS::Logs::LogGroup", "GuardedApiFirewallLogs").Properties;
    expect(text(group.LogGroupName)).toMatch(/^aws-waf-logs-segue-dev-/);
    expect(text(logging.LogDestinationConfigs[0])).toMatch(/:log-group:\$\{GuardedApiFirewallLogs\w+\}$/);
  });

  test("with tokens: a function judges them by the issuer's name and audience, for a minute at most", () => {
    const { Variables } = resource(tokens, "AWS::Lambda::Function", "GuardedApiAuthorize").Properties.Environment;
    expect(Variables).toMatchObject({ ISSUER: jwt.issuer, AUDIENCE: '["segue","other"]' });
    const [authorizer] = properties(tokens, "AWS::ApiGateway::Authorizer");
    expect(authorizer).toMatchObject({
      Type: "TOKEN",
      AuthorizerResultTtlInSeconds: 60,
      IdentitySource: "method.request.header.Authorization",
    });
    const form = new RegExp(authorizer.IdentityValidationExpression);
    for (const good of ["Bearer aa.b-b.c_c", "bearer aa.bb.cc", "aa.bb.cc"]) expect(good).toMatch(form);
    for (const bad of ["Bearer", "AWS4-HMAC-SHA256 Credential=a", "aa.bb"]) expect(bad).not.toMatch(form);
    expect(properties(tokens, "AWS::ApiGateway::GatewayResponse")).toEqual([
      expect.objectContaining({ ResponseType: "ACCESS_DENIED", StatusCode: "401" }),
    ]);
    expect(resources(on, "AWS::ApiGateway::Authorizer")).toEqual([]);
    expect(resources(on, "AWS::ApiGateway::GatewayResponse")).toEqual([]);
  });

  test("goes with canaries: the API calls the aliases", () => {
    const both = templatesOf("dev", { api: { waf: {} }, delivery: { canary: "10-percent-5-minutes" } });
    const called = properties(both, "AWS::ApiGateway::Method").map(({ Integration }) => text(Integration.Uri));
    expect(called).toHaveLength(methods(on).length);
    // Requests about one's own data are too few to judge a version by.
    for (const uri of called) expect(uri).toMatch(/DeliveryLive|\$\{Privacy/);
  });

  test.each<[string, EnvironmentInput, RegExp]>([
    ["too few", { api: { waf: { requestsPerAddress: 9 } } }, /api\.waf\.requestsPerAddress: 9 .* at least 10/],
    ["a switch", { api: { waf: true } } as never, /api\.waf: true is not allowed; must be an object/],
    ["a rule", { api: { waf: { rules: [] } } } as never, /api\.waf\.rules: unknown key; use one of requestsPerAddress/],
  ])("%s is refused", (_, input, message) => {
    expect(() => templatesOf("dev", input)).toThrow(message);
  });
});
