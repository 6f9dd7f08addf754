import { SageMakerClient } from "@aws-sdk/client-sagemaker";
import { readEnvironment } from "../shared/environment";
import { logger, observe } from "../shared/observability";
import { registerEnvironment } from "./environment";
import { register, registerInput } from "./register";

const { LAKE_BUCKET: bucket, MODEL_PACKAGE_GROUP: group } = readEnvironment(registerEnvironment);
const sagemaker = new SageMakerClient({});

/** Enters a model into the registry, approved or rejected: → `{"modelPackageArn"}`. */
export const handler = observe(async (event: unknown) => {
  const registered = await register(registerInput.parse(event), { bucket, group, sagemaker });
  logger.info("model registered", { ...registered });
  return registered;
});
