import { App, Duration, Stack } from "aws-cdk-lib";
import { Stream } from "aws-cdk-lib/aws-kinesis";
import { collectEnvironment } from "../../../lambdas/collect/environment";
import { type EnvironmentInput, readConfig } from "../../../lib/config";
import { SegueFunction } from "../../../lib/constructs/function";
import { GuardedApi } from "../../../lib/constructs/guarded-api";

/** `collect` behind the API with a firewall, by AWS credentials and by tokens of `-c issuer=`. */
const app = new App();
const stack = new Stack(app, "guarded");
const stream = new Stream(stack, "Stream");

function api(name: string, input: EnvironmentInput["api"]): void {
  const config = readConfig("laptop", { api: { waf: {}, ...input } });
  const waf = config.api.waf!;
  const collect = new SegueFunction(new Stack(app, name), "collect", {
    config,
    description: "Checks events and puts them into the stream",
    schema: collectEnvironment,
    environment: {
      STREAM_NAME: stream.streamName,
      EVENT_LIMITS: "{}",
      SERVICE_SCOPE: config.api.auth.type === "jwt" ? config.api.auth.serviceScope : "",
    },
    timeout: Duration.seconds(10),
  });
  stream.grant(collect, "kinesis:PutRecord");
  new GuardedApi(Stack.of(collect), "Api", config, waf, { collect, recommend: collect, privacy: collect });
}

api("byCredentials", {});
api("byTokens", { auth: { type: "jwt", issuer: String(app.node.getContext("issuer")), audience: ["segue"] } });
