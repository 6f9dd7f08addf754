import { Aws, Duration } from "aws-cdk-lib";
import { type IRestApi, RestApi } from "aws-cdk-lib/aws-apigateway";
import type { HttpApi, IHttpApi } from "aws-cdk-lib/aws-apigatewayv2";
import { ComparisonOperator, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { StateMachine } from "aws-cdk-lib/aws-stepfunctions";
import type { CfnWebACL } from "aws-cdk-lib/aws-wafv2";
import {
  type CustomMetricGroup,
  type CustomThreshold,
  DefaultDashboardFactory,
  MetricStatistic,
  MonitoringFacade,
  SnsAlarmActionStrategy,
} from "cdk-monitoring-constructs";
import { Construct } from "constructs";
import type { EnvironmentConfig } from "../config";
import { metricsNamespace } from "../names";

/** What is watched. */
export interface Watched {
  /** By name: `etl`, `recommend` and the like. */
  readonly functions: Readonly<Record<string, IFunction>>;
  /** By what they run: `Runs`. */
  readonly machines: Readonly<Record<string, StateMachine>>;
  readonly api: HttpApi | RestApi;
  /** With one where the API has a firewall. */
  readonly acl?: CfnWebACL;
  /** Without one for a cache that was brought along. */
  readonly cacheName?: string;
}

/** Functions that somebody waits for: an alarm counts their failures as a share, and their time. */
const waitedFor: Readonly<Record<string, Duration>> = {
  collect: Duration.millis(1000),
  recommend: Duration.millis(500),
};

/** Of what comes and goes by itself: a quarter of an hour of it. */
const lasting = { datapointsToAlarm: 3 };

const above = (threshold: number): CustomThreshold => ({
  threshold,
  comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
  treatMissingDataOverride: TreatMissingData.NOT_BREACHING,
});

/** The pipeline's own numbers, as handlers write them: graph by graph, and from when on one of them is an alarm. */
const numbers: readonly {
  readonly title: string;
  readonly service: string;
  readonly metrics: Readonly<Record<string, { readonly alarm?: { name: string; above: number } }>>;
}[] = [
  {
    title: "Events in",
    service: "collect",
    metrics: {
      EventsAccepted: {},
      EventsRejected: {},
      StreamUnavailable: { alarm: { name: "Stream-Unavailable", above: 0 } },
    },
  },
  {
    title: "Events stored",
    service: "etl",
    metrics: {
      EventsStored: {},
      EventsRepeated: {},
      Quarantined: { alarm: { name: "Quarantined", above: 100 } },
    },
  },
  {
    title: "Gate",
    service: "gate",
    metrics: { ModelsApproved: {}, ModelsRejected: { alarm: { name: "Model-Rejected", above: 0 } } },
  },
  {
    title: "Privacy",
    service: "erase",
    metrics: { ListenersErased: {}, ErasuresUnfinished: { alarm: { name: "Erasure-Unfinished", above: 0 } } },
  },
  { title: "Lists published", service: "publish", metrics: { ListsPublished: {} } },
  {
    title: "Cache",
    service: "recommend",
    metrics: {
      CacheHits: {},
      CacheMisses: {},
      CacheUnavailable: { alarm: { name: "Cache-Unavailable", above: 10 } },
      CacheDamaged: { alarm: { name: "Cache-Damaged", above: 0 } },
    },
  },
  {
    title: "Answers",
    service: "recommend",
    metrics: {
      AnswersPersonal: {},
      AnswersSegment: {},
      AnswersPopular: {},
      RecommendUnavailable: { alarm: { name: "No-Answer", above: 0 } },
    },
  },
];

/**
 * One dashboard for an environment, and its alarms where there is a topic: what came in, what was refused, how far the ETL is behind, runs
 * and what the gate said, what answers came from, how long they took and what failed.
 */
export class Dashboards extends Construct {
  private readonly monitoring: MonitoringFacade;
  private readonly alarms: boolean;

  constructor(scope: Construct, id: string, config: EnvironmentConfig, watched: Watched, topic?: ITopic) {
    super(scope, id);
    const prefix = `segue-${config.name}`;
    this.alarms = topic !== undefined;
    this.monitoring = new MonitoringFacade(this, "Monitoring", {
      alarmFactoryDefaults: {
        actionsEnabled: this.alarms,
        // A run that fails writes one number and no second.
        datapointsToAlarm: 1,
        alarmNamePrefix: prefix,
        ...(topic && { action: new SnsAlarmActionStrategy({ onAlarmTopic: topic }) }),
      },
      dashboardFactory: new DefaultDashboardFactory(this, "Dashboard", {
        dashboardNamePrefix: prefix,
        createDashboard: config.operations.dashboard,
      }),
    });
    this.numbers(metricsNamespace(config.name), config.cache.ttlDays);
    this.answers(watched);
    for (const [name, machine] of Object.entries(watched.machines)) this.machine(name, machine, config);
    for (const [name, lambdaFunction] of Object.entries(watched.functions)) this.function(name, lambdaFunction, config);
  }

  /** An alarm's settings, where alarms are wanted. */
  private when<K extends string, T>(key: K, threshold: T): Partial<Record<K, Record<string, T>>> {
    const alarm: Partial<Record<string, Record<string, T>>> = this.alarms ? { [key]: { Warning: threshold } } : {};
    return alarm as Partial<Record<K, Record<string, T>>>;
  }

  private numbers(namespace: string, ttlDays: number): void {
    const factory = this.monitoring.createMetricFactory();
    const groups = numbers.map(({ title, service, metrics }): CustomMetricGroup => {
      const created = Object.entries(metrics).map(([name, { alarm }]) => {
        const metric = factory.createMetric(name, MetricStatistic.SUM, name, { service }, undefined, namespace);
        return alarm && this.alarms
          ? { metric, alarmFriendlyName: alarm.name, addAlarm: { Warning: above(alarm.above) } }
          : metric;
      });
      return { title, metrics: created };
    });
    const latency = factory.createMetric(
      "RecommendLatency",
      MetricStatistic.P99,
      "p99, ms",
      { service: "recommend" },
      undefined,
      namespace,
    );
    const left = factory.createMetric(
      "ChampionDays",
      MetricStatistic.MIN,
      "days",
      { service: "promote" },
      undefined,
      namespace,
    );
    const expires = {
      metric: left,
      alarmFriendlyName: "Champion-Expires",
      // It is renewed every six hours, to nine tenths of its time.
      addAlarm: { Warning: { ...above(ttlDays / 2), comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD } },
    };
    this.monitoring.monitorCustom({
      humanReadableName: "Pipeline",
      alarmFriendlyName: "Pipeline",
      metricGroups: [
        ...groups,
        { title: "Time of an answer", metrics: [latency] },
        { title: "Days that the release that serves would stay", metrics: [this.alarms ? expires : left] },
      ],
    });
  }

  private answers({ api, acl, cacheName }: Watched): void {
    const names = { humanReadableName: "API", alarmFriendlyName: "Api" };
    const faults = { maxErrorRate: 1, minSampleCountToEvaluateDatapoint: 20, ...lasting };
    // CDK's own classes and interfaces disagree under exactOptionalPropertyTypes.
    if (api instanceof RestApi) {
      const apiStage = api.deploymentStage.stageName;
      const alarm = this.when("add5XXFaultRateAlarm", faults);
      this.monitoring.monitorApiGateway({ api: api as IRestApi, apiStage, ...names, ...alarm });
    } else {
      const alarm = this.when("add5xxRateAlarm", faults);
      this.monitoring.monitorApiGatewayV2HttpApi({ api: api as IHttpApi, ...names, ...alarm });
    }
    if (acl) {
      this.monitoring.monitorWebApplicationFirewallAclV2({
        acl,
        region: Aws.REGION,
        humanReadableName: "Firewall",
        alarmFriendlyName: "Firewall",
        // An attack, or a rule that takes listeners for one.
        ...this.when("addBlockedRequestsCountAlarm", { maxErrorCount: 1000 }),
      });
    }
    if (cacheName) {
      this.monitoring.monitorServerlessElastiCache({
        clusterId: cacheName,
        humanReadableName: "Cache",
        alarmFriendlyName: "Cache",
      });
    }
  }

  private machine(
    name: string,
    stateMachine: StateMachine,
    { compute: { training, scoring } }: EnvironmentConfig,
  ): void {
    // What a run's jobs may take, each tried once, and an hour for the rest. More attempts are worth a look.
    const jobs = (training.maxWaitMinutes ?? training.maxRuntimeMinutes) + scoring.maxRuntimeMinutes;
    this.monitoring.monitorStepFunction({
      stateMachine,
      humanReadableName: name,
      alarmFriendlyName: name,
      ...this.when("addFailedExecutionCountAlarm", { maxErrorCount: 0 }),
      ...this.when("addTimedOutExecutionCountAlarm", { maxErrorCount: 0 }),
      ...this.when("addDurationP99Alarm", { maxDuration: Duration.minutes(jobs + 60) }),
    });
  }

  private function(name: string, lambdaFunction: IFunction, { etl }: EnvironmentConfig): void {
    const limit = waitedFor[name];
    const reads = name === "etl";
    const many = { minSampleCountToEvaluateDatapoint: 20, ...lasting };
    // A record waits for its batch's window by itself.
    const behind = Duration.minutes(5).plus(Duration.seconds(etl.windowSeconds));
    this.monitoring.monitorLambdaFunction({
      lambdaFunction,
      humanReadableName: name,
      alarmFriendlyName: name,
      isIterator: reads,
      ...(limit
        ? {
            ...this.when("addFaultRateAlarm", { ...many, maxErrorRate: 1 }),
            ...this.when("addLatencyP99Alarm", { ...many, maxLatency: limit }),
          }
        : // A batch is tried again; a run is not.
          this.when("addFaultCountAlarm", { maxErrorCount: 0, ...(reads && lasting) })),
      ...this.when("addThrottlesCountAlarm", { maxErrorCount: 0, ...lasting }),
      ...(reads && this.when("addMaxIteratorAgeAlarm", { maxAgeInMillis: behind.toMilliseconds(), ...lasting })),
    });
  }
}
