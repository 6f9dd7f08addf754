import { ArnFormat, Duration, Stack } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import {
  type CatchProps,
  Chain,
  Choice,
  Condition,
  type CustomState,
  type Fail,
  type IChainable,
  Wait,
  WaitTime,
} from "aws-cdk-lib/aws-stepfunctions";
import type { LambdaInvoke } from "aws-cdk-lib/aws-stepfunctions-tasks";
import type { Construct } from "constructs";
import { scaleCacheEnvironment } from "../../lambdas/scale-cache/environment";
import type { EnvironmentConfig } from "../config";
import type { Cache } from "./cache";
import { SegueFunction } from "./function";
import { expression } from "./jsonata";

/** What loads a release, in order. */
export type PublishSteps = readonly [LambdaInvoke | CustomState, ...(LambdaInvoke | CustomState)[]];

interface PreScaledProps {
  /** A state that asks the function to `raise` or `restore`, and assigns `$cacheReady`. */
  readonly scale: (id: string, action: "raise" | "restore") => LambdaInvoke;
  readonly steps: PublishSteps;
  readonly leadMinutes: number;
  readonly next: IChainable;
  /** Where a failure ends that `caught` keeps in `$failure`. */
  readonly failed: Fail;
  readonly caught: CatchProps;
}

/** States one after another. */
export const inOrder = (...[first, ...others]: [IChainable, ...IChainable[]]): Chain =>
  others.reduce<Chain>((chain, state) => chain.next(state), Chain.start(first));

/**
 * Loads a release into a cache that is made ready for it before and is taken back after, also where raising or loading failed: then the
 * run fails with that, and not before. Whoever stops an execution in between leaves the cache raised until the next run.
 * https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Scaling.html
 */
export function preScaled(
  scope: Construct,
  { scale, steps, leadMinutes, next, failed, caught }: PreScaledProps,
): IChainable {
  const pause = (id: string, duration: Duration) => Wait.jsonata(scope, id, { time: WaitTime.duration(duration) });
  const isReady = Condition.jsonata(expression("$cacheReady"));
  const raise = scale("RaiseCache", "raise");
  const restore = scale("RestoreCache", "restore");
  const restored = Choice.jsonata(scope, "CacheRestored?")
    .when(
      Condition.jsonata(expression("$not($cacheReady)")),
      pause("AwaitRestoration", Duration.seconds(30)).next(restore),
    )
    .when(Condition.jsonata(expression("$failure = null")), next)
    .otherwise(failed);
  restore.next(restored);
  for (const state of [raise, ...steps]) state.addCatch(restore, caught);
  const load = inOrder(pause("AwaitCapacity", Duration.minutes(leadMinutes)), ...steps, restore);
  return raise.next(
    Choice.jsonata(scope, "CacheRaised?")
      .when(isReady, load)
      .otherwise(pause("AwaitCache", Duration.seconds(30)).next(raise)),
  );
}

/** The function that does it, outside the network, as it speaks to ElastiCache's own API. It may change this cache alone. */
export function scaleCacheFunction(
  scope: Construct,
  config: EnvironmentConfig,
  { cacheName }: Cache,
): SegueFunction | undefined {
  const { preScale, maxGb, maxEcpu } = config.cache;
  if (!preScale) return undefined;
  const { ecpu, gb = 0 } = preScale;
  const made = new SegueFunction(scope, "scale-cache", {
    config,
    description: "Makes the cache ready for a load, and takes that back",
    schema: scaleCacheEnvironment,
    environment: { CACHE_NAME: cacheName, LIMITS: JSON.stringify({ maxGb, maxEcpu, gb, ecpu }) },
    timeout: Duration.seconds(30),
  });
  const resource = Stack.of(scope).formatArn({
    service: "elasticache",
    resource: "serverlesscache",
    resourceName: cacheName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  made.addToRolePolicy(
    new PolicyStatement({
      actions: ["elasticache:DescribeServerlessCaches", "elasticache:ModifyServerlessCache"],
      resources: [resource],
    }),
  );
  return made;
}
