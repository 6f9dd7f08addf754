import { Template } from "aws-cdk-lib/assertions";
import type { EnvironmentInput } from "../../lib/config";
import { OperationsStack } from "../../lib/stacks/operations-stack";
import { appOf, type Resource, templatesOf, text } from "./support";

/** Resources of the operations stack, or none where it is absent. */
function operationsOf(input: EnvironmentInput["operations"]): { template: object; resources: [string, Resource][] } {
  const { stacks } = appOf("dev", { operations: input });
  if (!stacks.operations) return { template: {}, resources: [] };
  const template = Template.fromStack(stacks.operations).toJSON();
  return { template, resources: Object.entries(template.Resources as Record<string, Resource>) };
}

const all = operationsOf({ dashboard: true, alarms: true, email: "on-call@example.com" });
const none = operationsOf({ dashboard: true });
const of = ({ resources }: typeof all, type: string) =>
  resources.filter(([, { Type }]) => Type === type).map(([, { Properties }]) => Properties);
const alarms = of(all, "AWS::CloudWatch::Alarm");
/** Every metric that an alarm looks at: `Namespace/Name of service`. */
const watched = alarms.flatMap((alarm) =>
  [alarm, ...(alarm.Metrics ?? []).map(({ MetricStat }: Resource["Properties"]) => MetricStat?.Metric ?? {})].flatMap(
    ({ Namespace, MetricName }) => (Namespace ? [`${Namespace} ${MetricName}`] : []),
  ),
);

describe("operations stack", () => {
  test("all alarms", () => expect(all.template).toMatchSnapshot());
  test("no alarms", () => expect(none.template).toMatchSnapshot());

  test("is absent where nothing is to be watched", () => {
    expect(operationsOf({}).resources).toEqual([]);
    expect(Object.values(appOf("laptop").stacks).some((stack) => stack instanceof OperationsStack)).toBe(false);
  });

  test("without alarms has no alarm and no topic, and the same graphs", () => {
    expect(of(none, "AWS::CloudWatch::Alarm")).toEqual([]);
    expect(of(none, "AWS::SNS::Topic")).toEqual([]);
    const titles = (template: typeof all) =>
      [...text(of(template, "AWS::CloudWatch::Dashboard")[0].DashboardBody).matchAll(/"title":"([^"]+)"/g)]
        .map(([, title]) => title)
        .sort();
    expect(titles(none)).toEqual(titles(all));
    expect(titles(all)).toEqual(expect.arrayContaining(["Events in", "Events stored", "Gate", "Cache", "Answers"]));
  });

  test("alarms on events refused, iterator age, runs, the gate, the cache and errors", () => {
    for (const metric of [
      "Segue/dev Quarantined",
      "Segue/dev StreamUnavailable",
      "Segue/dev ModelsRejected",
      "Segue/dev CacheUnavailable",
      "Segue/dev RecommendUnavailable",
      "Segue/dev ChampionDays",
      "AWS/Lambda IteratorAge",
      "AWS/Lambda Errors",
      "AWS/Lambda Throttles",
      "AWS/States ExecutionsFailed",
      "AWS/States ExecutionsTimedOut",
      "AWS/States ExecutionTime",
      "AWS/Lambda Duration",
    ]) {
      expect([metric, watched.includes(metric)]).toEqual([metric, true]);
    }
  });

  test.each([
    [{}, 60 + 60 + 60],
    [{ training: { spot: true, maxWaitMinutes: 200 }, scoring: { maxRuntimeMinutes: 30 } }, 200 + 30 + 60],
  ])("a run is late with %j after %d minutes", (compute, minutes) => {
    const { stacks } = appOf("dev", { compute, operations: { alarms: true } });
    Template.fromStack(stacks.operations!).hasResourceProperties("AWS::CloudWatch::Alarm", {
      AlarmName: "segue-dev-Runs-Duration-P99-Warning",
      Threshold: minutes * 60_000,
      ComparisonOperator: "GreaterThanThreshold",
    });
  });

  test("a champion that was left less than half of its time rings, and one that nobody asks about does not", () => {
    const { stacks } = appOf("dev", { cache: { ttlDays: 3 }, operations: { alarms: true } });
    Template.fromStack(stacks.operations!).hasResourceProperties("AWS::CloudWatch::Alarm", {
      AlarmName: "segue-dev-Pipeline-Champion-Expires-Warning",
      Threshold: 1.5,
      ComparisonOperator: "LessThanThreshold",
      TreatMissingData: "notBreaching",
    });
  });

  test("what happens once in a run rings once; what comes and goes by itself has to last", () => {
    const periods = (form: RegExp) =>
      new Set(
        alarms
          .filter(({ AlarmName }) => form.test(AlarmName))
          .map(({ DatapointsToAlarm }) => DatapointsToAlarm as number),
      );
    expect(periods(/-(Runs|Pipeline|features|gate|register|publish|promote|prepare-run)-(?!Throttled)/)).toEqual(
      new Set([1]),
    );
    expect(periods(/-(Api|collect|recommend|etl)-|Throttled/)).toEqual(new Set([3]));
    for (const { DatapointsToAlarm, EvaluationPeriods } of alarms) expect(EvaluationPeriods).toBe(DatapointsToAlarm);
  });

  test("both kinds of API are watched, the firewall too", () => {
    const namespaces = (input: EnvironmentInput) => {
      const { stacks } = appOf("dev", { ...input, operations: { dashboard: true, alarms: true } });
      const template = Template.fromStack(stacks.operations!).toJSON();
      const body = text(
        Object.values(template.Resources as Record<string, Resource>).find(
          ({ Type }) => Type === "AWS::CloudWatch::Dashboard",
        )?.Properties.DashboardBody,
      );
      const alarmed = JSON.stringify(
        Object.values(template.Resources as Record<string, Resource>).filter(
          ({ Type }) => Type === "AWS::CloudWatch::Alarm",
        ),
      );
      return { body, alarmed };
    };
    const http = namespaces({});
    const rest = namespaces({ api: { waf: {} } });
    expect(http.alarmed).toMatch(/"MetricName":"5xx"/);
    expect(http.body + http.alarmed).not.toMatch(/5XXError|WAFV2/);
    expect(rest.alarmed).toMatch(/"MetricName":"5XXError"/);
    expect(rest.alarmed).toMatch(/"MetricName":"BlockedRequests","Namespace":"AWS\/WAFV2"/);
    expect(rest.body).toMatch(/AWS\/ApiGateway.*5XXError/);
    expect(rest.body).toMatch(/AWS\/WAFV2/);
  });

  test("every alarm reaches the topic, and none calls silence a fault", () => {
    expect(alarms.length).toBeGreaterThan(20);
    for (const { AlarmActions, AlarmName, TreatMissingData } of alarms) {
      expect([AlarmName, AlarmActions]).toEqual([AlarmName, [{ Ref: expect.stringMatching(/^AlarmsTopic/) }]]);
      expect(["notBreaching", "missing", "ignore", undefined]).toContain(TreatMissingData);
      expect(AlarmName).toMatch(/^segue-dev-/);
    }
    expect(new Set(alarms.map(({ AlarmName }) => AlarmName)).size).toBe(alarms.length);
  });

  test("the topic takes messages over TLS alone, from this account's alarms", () => {
    const { Statement } = of(all, "AWS::SNS::TopicPolicy")[0].PolicyDocument;
    expect(Statement).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } }),
        expect.objectContaining({
          Effect: "Allow",
          Action: "sns:Publish",
          Principal: { Service: "cloudwatch.amazonaws.com" },
          Condition: { StringEquals: { "aws:SourceAccount": { Ref: "AWS::AccountId" } } },
        }),
      ]),
    );
    expect(of(all, "AWS::SNS::Subscription")).toEqual([
      expect.objectContaining({ Protocol: "email", Endpoint: "on-call@example.com" }),
    ]);
  });

  test("watches every function but those of deployments", () => {
    const body = text(of(all, "AWS::CloudWatch::Dashboard")[0].DashboardBody);
    for (const name of ["collect", "recommend", "etl", "features", "publish", "promote", "gate", "register"]) {
      expect(body).toMatch(new RegExp(`\\*\\*${name}\\*\\*|${name}`));
    }
    expect(body).not.toMatch(/Hooks|Migrate/);
  });

  test("a budget by setting, which warns by mail", () => {
    const { resources } = operationsOf({ budget: { monthlyUsd: 100, email: "owner@example.com" } });
    expect(resources.map(([, { Type }]) => Type)).toEqual(["AWS::Budgets::Budget"]);
    const [[, { Properties }]] = resources as [[string, Resource]];
    expect(Properties.Budget).toMatchObject({ BudgetLimit: { Amount: 100, Unit: "USD" }, TimeUnit: "MONTHLY" });
    const { NotificationsWithSubscribers: warnings } = Properties;
    expect(warnings.map((warning: Resource["Properties"]) => warning.Notification.Threshold)).toEqual([80, 100]);
    for (const { Subscribers } of warnings) {
      expect(Subscribers).toEqual([{ SubscriptionType: "EMAIL", Address: "owner@example.com" }]);
    }
  });

  test("refuses settings that would warn nobody", () => {
    expect(() => operationsOf({ email: "on-call@example.com" })).toThrow(
      /operations\.email.*set operations\.alarms too/,
    );
    expect(() => operationsOf({ alarms: true, email: "nobody" })).toThrow(
      /operations\.email: "nobody".*e-mail address/,
    );
    expect(() => operationsOf({ budget: { monthlyUsd: 0, email: "a@example.com" } })).toThrow(
      /operations\.budget\.monthlyUsd/,
    );
  });
});

test("environments of one account write metrics apart from each other", () => {
  const namespaces = (name: string) =>
    Object.values(templatesOf(name)).flatMap((template) =>
      Object.values<unknown>(template.findResources("AWS::Lambda::Function")).map(
        (found) => (found as Resource).Properties.Environment.Variables.POWERTOOLS_METRICS_NAMESPACE,
      ),
    );
  expect(new Set(namespaces("dev"))).toEqual(new Set(["Segue/dev"]));
  expect(new Set(namespaces("prod"))).toEqual(new Set(["Segue/prod"]));
});
