import { cacheEnvironment } from "../shared/cache-environment";

/** Environment variables of `recommend`. */
export const recommendEnvironment = cacheEnvironment;
