import { readEnvironment } from "../shared/environment";
import { count, logger, observe } from "../shared/observability";
import { s3Bucket } from "../shared/storage";
import { gateEnvironment } from "./environment";
import { gate, gateInput } from "./gate";

const { LAKE_BUCKET, GATE: settings } = readEnvironment(gateEnvironment);
const lake = s3Bucket(LAKE_BUCKET);

/** Judges a model: `{"runId","outputKey"}` → the decision, with each rule's figures. */
export const handler = observe(async (event: unknown) => {
  const decision = await gate(gateInput.parse(event), { lake, settings });
  count(decision.approved ? "ModelsApproved" : "ModelsRejected");
  logger.info("model judged", { approved: decision.approved, rules: decision.rules });
  return decision;
});
