import { Stack } from "aws-cdk-lib";
import { CfnDatabase, CfnTable } from "aws-cdk-lib/aws-glue";
import type { IBucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import { EVENT_COLUMNS } from "../../lambdas/etl/columns";
import type { ParquetColumn } from "../../lambdas/shared/parquet";

const glueTypes: Record<ParquetColumn["type"], string> = {
  STRING: "string",
  INT32: "int",
  FLOAT: "float",
  DOUBLE: "double",
  TIMESTAMP: "timestamp",
};
const hours = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, "0"));

/**
 * The clean zone as a table of the Glue Data Catalog, `events` in the database `segue_<environment>`, so that Athena and Spark on Glue
 * query it. Partitions follow from their names: nothing crawls and nothing has to add one.
 * https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
 */
export class Catalogue extends Construct {
  readonly databaseName: string;

  /** @param environment name of the environment */
  constructor(scope: Construct, id: string, environment: string, lake: IBucket) {
    super(scope, id);
    // Athena takes no dash in a name.
    this.databaseName = `segue_${environment.replaceAll("-", "_")}`;
    const catalogId = Stack.of(this).account;
    const database = new CfnDatabase(this, "Database", {
      catalogId,
      databaseName: this.databaseName,
      databaseInput: { name: this.databaseName, description: "Segue's lake" },
    });
    const location = `s3://${lake.bucketName}/clean/events/`;
    const table = new CfnTable(this, "Events", {
      catalogId,
      databaseName: this.databaseName,
      tableInput: {
        name: "events",
        description: "Clean events by hour of arrival in UTC",
        tableType: "EXTERNAL_TABLE",
        partitionKeys: [
          { name: "dt", type: "string", comment: "Day of arrival, 2026-11-22" },
          { name: "hr", type: "string", comment: "Hour of arrival, 00 to 23" },
        ],
        parameters: {
          classification: "parquet",
          "projection.enabled": "true",
          "projection.dt.type": "date",
          "projection.dt.format": "yyyy-MM-dd",
          "projection.dt.range": "NOW-3YEARS,NOW+1DAYS",
          "projection.hr.type": "enum",
          "projection.hr.values": hours.join(","),
          // What is in braces is Athena's to fill in.
          "storage.location.template": `${location}dt=$\{dt}/hr=$\{hr}/`,
        },
        storageDescriptor: {
          location,
          columns: EVENT_COLUMNS.map(({ name, type }) => ({ name, type: glueTypes[type] })),
          inputFormat: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
          outputFormat: "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
          serdeInfo: { serializationLibrary: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe" },
        },
      },
    });
    table.addResourceDependency(database);
  }
}
