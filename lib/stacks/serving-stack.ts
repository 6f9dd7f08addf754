import { CfnOutput, Duration, Stack, type StackProps } from "aws-cdk-lib";
import type { Construct } from "constructs";
import { collectEnvironment } from "../../lambdas/collect/environment";
import { promoteEnvironment } from "../../lambdas/promote/environment";
import { publishEnvironment } from "../../lambdas/publish/environment";
import { recommendEnvironment } from "../../lambdas/recommend/environment";
import { PSEUDONYM_KEY } from "../../lambdas/shared/pseudonym";
import type { EnvironmentConfig } from "../config";
import { Api } from "../constructs/api";
import { Cache } from "../constructs/cache";
import { delivered } from "../constructs/delivery";
import { SegueFunction } from "../constructs/function";
import { GuardedApi } from "../constructs/guarded-api";
import { keepServing } from "../constructs/keeping";
import { scaleCacheFunction } from "../constructs/pre-scaling";
import { Privacy } from "../constructs/privacy";
import { keepRecent } from "../constructs/recent";
import { grantDelete, grantList, grantRead, grantWrite } from "../grants";
import type { DataStack } from "./data-stack";

/** What listeners meet: the API, the functions behind it, the cache and what loads it. */
export class ServingStack extends Stack {
  readonly publish: SegueFunction;
  readonly promote: SegueFunction;
  /** With `cache.preScale`. */
  readonly scaleCache: SegueFunction | undefined;

  constructor(scope: Construct, id: string, config: EnvironmentConfig, data: DataStack, props: StackProps) {
    super(scope, id, props);
    const { network, stream, lake, key, pseudonyms } = data;
    const cache = new Cache(this, "Cache", config, network, key);
    const LAKE_BUCKET = lake.bucketName;
    const TTL_SECONDS = String(config.cache.ttlDays * 86_400);

    const loaders = network.attachment(this, "LoaderGroup", "cache", "s3");
    this.publish = new SegueFunction(this, "publish", {
      config,
      description: "Loads a release into the cache",
      schema: publishEnvironment,
      environment: {
        ...cache.variables("publish"),
        LAKE_BUCKET,
        TTL_SECONDS,
      },
      timeout: Duration.minutes(15),
      memorySize: 1024,
      attachment: loaders,
    });
    grantRead(lake, this.publish, "runs/*/scores/*", "runs/*/publish/*", "features/*");
    grantList(lake, this.publish);
    grantWrite(lake, this.publish, "releases/*", "runs/*/publish/*");
    grantDelete(lake, this.publish, "runs/*/publish/*");

    this.promote = new SegueFunction(this, "promote", {
      config,
      description: "Lets a release serve, or one before it",
      schema: promoteEnvironment,
      environment: { ...cache.variables("publish"), LAKE_BUCKET, TTL_SECONDS },
      timeout: Duration.minutes(1),
      attachment: loaders,
    });
    grantRead(lake, this.promote, "runs/*/evaluation.json");
    grantList(lake, this.promote);
    grantWrite(lake, this.promote, "releases/champion.json", "releases/popular.json");
    cache.connect("publish", loaders, this.publish, this.promote);
    keepServing(this, this.promote);

    this.scaleCache = scaleCacheFunction(this, config, cache);

    const readers = network.attachment(this, "ReaderGroup", "cache", "s3");
    const recommend = new SegueFunction(this, "recommend", {
      config,
      description: "Answers a listener's recommendations from the cache",
      schema: recommendEnvironment,
      environment: { ...cache.variables("recommend"), LAKE_BUCKET, KEY_BUCKET: pseudonyms.bucket.bucketName },
      timeout: Duration.seconds(5),
      // CPU comes with memory, and this one is waited for.
      memorySize: 512,
      attachment: readers,
    });
    grantRead(lake, recommend, "releases/popular.json");
    grantRead(pseudonyms.bucket, recommend, PSEUDONYM_KEY);
    cache.connect("recommend", readers, recommend);
    if (cache.has("recent")) keepRecent(this, config, { data, cache, attachment: readers });

    const collect = new SegueFunction(this, "collect", {
      config,
      description: "Checks events and puts them into the stream",
      schema: collectEnvironment,
      environment: {
        STREAM_NAME: stream.streamName,
        EVENT_LIMITS: JSON.stringify(config.events),
        SERVICE_SCOPE: config.api.auth.type === "jwt" ? config.api.auth.serviceScope : "",
      },
      timeout: Duration.seconds(10),
      memorySize: 512,
    });
    stream.grant(collect, "kinesis:PutRecord");
    if (key) key.grant(collect, "kms:GenerateDataKey");

    const privacy = new Privacy(this, "PrivacyRequests", { config, data, cache, attachment: loaders });
    const handlers = {
      collect: delivered(this, config, collect, { slow: Duration.seconds(2) }),
      recommend: delivered(this, config, recommend, {
        slow: Duration.seconds(1),
        provisioned: config.delivery.provisionedConcurrency,
      }),
      privacy: privacy.handler,
    };
    const api = config.api.waf
      ? new GuardedApi(this, "GuardedApi", config, config.api.waf, handlers)
      : new Api(this, "Api", config, handlers);
    new CfnOutput(this, "ApiUrl", { value: api.url });
    new CfnOutput(this, "PublishFunction", { value: this.publish.functionName });
    new CfnOutput(this, "PromoteFunction", { value: this.promote.functionName });
    new CfnOutput(this, "CacheName", { value: cache.cacheName });
    new CfnOutput(this, "CacheHost", { value: cache.host });
    new CfnOutput(this, "CachePort", { value: cache.port });
  }
}
