import { paginateListServiceQuotas, type ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import type { ReadQuotas } from "./prepare-run";

/** SageMaker has thousands of quotas, on dozens of pages; a choice of instances is not worth more waiting. */
const PATIENCE_MS = 30_000;

/** Reads the account's applied quotas, page by page until all that are wanted were seen. */
export const quotasOf =
  (client: ServiceQuotasClient): ReadQuotas =>
  async (names) => {
    const found = new Map<string, number>();
    const end = Date.now() + PATIENCE_MS;
    for await (const page of paginateListServiceQuotas({ client, pageSize: 100 }, { ServiceCode: "sagemaker" })) {
      for (const { QuotaName, Value } of page.Quotas ?? []) {
        if (QuotaName && Value !== undefined && names.has(QuotaName)) found.set(QuotaName, Value);
      }
      if (found.size === names.size) break;
      if (Date.now() > end) throw new Error(`not done within ${PATIENCE_MS / 1000} seconds`);
    }
    return found;
  };
