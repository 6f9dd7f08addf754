import { EVENT_COLUMNS } from "../../lambdas/etl/columns";
import { hourOf } from "../../lambdas/etl/keys";
import { resources, templatesOf, text } from "./support";

const table = resources(templatesOf("dev"), "AWS::Glue::Table")[0]![1].Properties;

test("Athena's table has the columns of the clean files, and the partitions of their names", () => {
  const tableInput = table.TableInput;
  expect(table.DatabaseName).toBe("segue_dev");
  expect(tableInput.StorageDescriptor.Columns.map(({ Name }: { Name: string }) => Name)).toEqual(
    EVENT_COLUMNS.map(({ name }) => name),
  );
  expect(tableInput.PartitionKeys.map(({ Name }: { Name: string }) => Name)).toEqual(["dt", "hr"]);
});

test("each hour's folder is one that the projection makes", () => {
  const { Parameters, StorageDescriptor } = table.TableInput;
  expect(Parameters["projection.enabled"]).toBe("true");
  const folder = text(Parameters["storage.location.template"]);
  expect(folder.startsWith(text(StorageDescriptor.Location))).toBe(true);
  const values = Parameters["projection.hr.values"].split(",");
  for (let hour = 0; hour < 24; hour++) {
    const partition = hourOf(new Date(Date.UTC(2026, 10, 22, hour, 59)));
    const [, dt, hr] = /^dt=(.*)\/hr=(.*)$/.exec(partition)!;
    expect(values).toContain(hr);
    expect(
      folder
        .replace(/\$\{dt\}/, dt!)
        .replace(/\$\{hr\}/, hr!)
        .endsWith(`/clean/events/${partition}/`),
    ).toBe(true);
  }
});
