import { RemovalPolicy } from "aws-cdk-lib";
import type { EnvironmentConfig } from "./config";

/** What becomes of a resource that holds data when it leaves the stack. */
export const removalPolicy = ({ removal }: Pick<EnvironmentConfig, "removal">): RemovalPolicy =>
  removal === "destroy" ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN;
