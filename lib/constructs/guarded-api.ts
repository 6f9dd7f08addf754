import { Duration, RemovalPolicy, Validations } from "aws-cdk-lib";
import {
  AccessLogFormat,
  AuthorizationType,
  type CfnRestApi,
  EndpointType,
  type IAuthorizer,
  LambdaIntegration,
  LogGroupLogDestination,
  type MethodOptions,
  ResponseType,
  RestApi,
  TokenAuthorizer,
} from "aws-cdk-lib/aws-apigateway";
import type { IFunction } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { authorizeEnvironment } from "../../lambdas/authorize/environment";
import type { EnvironmentConfig } from "../config";
import { type ApiHandlers, routes } from "./api";
import { Firewall } from "./firewall";
import { SegueFunction } from "./function";

/** For how long an answer about a token holds, and so how long a token may outlive its end. */
const tokenCache = Duration.minutes(1);

/**
 * The API behind a firewall: the same routes, handlers and throttle as `Api` has, by a REST API, as an HTTP API can have no web ACL.
 * Callers sign with AWS credentials, or bring a token that the function `authorize` judges.
 */
export class GuardedApi extends Construct {
  readonly url: string;

  constructor(
    scope: Construct,
    id: string,
    config: EnvironmentConfig,
    waf: NonNullable<EnvironmentConfig["api"]["waf"]>,
    handlers: ApiHandlers,
  ) {
    super(scope, id);
    const { throttle } = config.api;
    const logGroup = new LogGroup(this, "AccessLogs", {
      retention: config.logs.retentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const api = new RestApi(this, "Rest", {
      restApiName: `segue-${config.name}`,
      description: "Segue: collects events and answers recommendations",
      endpointConfiguration: { types: [EndpointType.REGIONAL] },
      // The role that REST APIs log with is one for the whole account: `npm run doctor` says how to make it.
      cloudWatchRole: false,
      defaultMethodOptions: this.authorization(config),
      deployOptions: {
        stageName: "live",
        throttlingRateLimit: throttle.rate,
        throttlingBurstLimit: throttle.burst,
        metricsEnabled: true,
        accessLogDestination: new LogGroupLogDestination(logGroup),
        accessLogFormat,
      },
    });
    // The output `ApiUrl` says it.
    api.node.tryRemoveChild("Endpoint");
    const rest = api.node.defaultChild as CfnRestApi;
    // REST APIs would take TLS 1.0 otherwise; a policy of this kind wants the mode with it.
    rest.securityPolicy = "SecurityPolicy_TLS13_1_2_2021_06";
    rest.endpointAccessMode = "BASIC";
    if (config.api.auth.type === "jwt") {
      // A token that is refused is answered as an HTTP API does.
      api.addGatewayResponse("Refused", {
        type: ResponseType.ACCESS_DENIED,
        statusCode: "401",
        templates: { "application/json": '{"message":"Unauthorized"}' },
      });
    }

    const integrations = {
      collect: new LambdaIntegration(handlers.collect, { allowTestInvoke: false }),
      recommend: new LambdaIntegration(handlers.recommend, { allowTestInvoke: false }),
      privacy: new LambdaIntegration(handlers.privacy, { allowTestInvoke: false }),
    };
    for (const { method, path, to } of routes) api.root.resourceForPath(path).addMethod(method, integrations[to]);
    new Firewall(this, "Firewall", config, waf, api.deploymentStage.stageArn);
    this.url = api.deploymentStage.urlForPath("/");
    this.explain(api);
  }

  /** Who may call: by AWS credentials, or by a token of the issuer. */
  private authorization(config: EnvironmentConfig): MethodOptions {
    const { auth } = config.api;
    if (auth.type === "iam") return { authorizationType: AuthorizationType.IAM };
    const authorize = new SegueFunction(this, "authorize", {
      config,
      description: "Judges the token that a request brings",
      schema: authorizeEnvironment,
      environment: { ISSUER: auth.issuer, AUDIENCE: JSON.stringify(auth.audience) },
      timeout: Duration.seconds(10),
    });
    const authorizer = new TokenAuthorizer(this, "Tokens", {
      // CDK's own classes and interfaces disagree under exactOptionalPropertyTypes.
      handler: authorize as IFunction,
      resultsCacheTtl: tokenCache,
      // What is no token costs no call.
      validationRegex: "^([Bb]earer +)?[\\w-]+\\.[\\w-]+\\.[\\w-]+$",
    });
    return { authorizationType: AuthorizationType.CUSTOM, authorizer: authorizer as IAuthorizer };
  }

  private explain(api: RestApi): void {
    Validations.of(api).acknowledge({
      id: "AwsSolutions-APIG2",
      reason: "Handlers check each request against its schema, and say which field of which event is wrong",
    });
    Validations.of(api.deploymentStage).acknowledge({
      id: "AwsSolutions-APIG6",
      reason: "Execution logs hold listeners' ids, in a group that never expires; access logs and metrics do without",
    });
    Validations.of(api).acknowledge({
      id: "AwsSolutions-COG4",
      reason: "Callers sign with AWS credentials or bring a token of the issuer that is configured",
    });
  }
}

/** As the HTTP API logs: no path parameters and no caller's address. */
const accessLogFormat = AccessLogFormat.custom(
  JSON.stringify({
    requestId: "$context.requestId",
    time: "$context.requestTime",
    route: "$context.httpMethod $context.resourcePath",
    status: "$context.status",
    responseLength: "$context.responseLength",
    latency: "$context.responseLatency",
    integrationLatency: "$context.integrationLatency",
    error: "$context.error.message",
    integrationError: "$context.integration.error",
    firewall: "$context.wafResponseCode",
  }),
);
