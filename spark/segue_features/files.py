"""Files of the lake through Spark's own file systems: the same calls for S3 and for a folder."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F


class Files:
    """Files under one URI, by keys relative to it."""

    def __init__(self, spark: SparkSession, root: str) -> None:
        self.spark = spark
        self.root = root
        self._path = lambda key: spark._jvm.org.apache.hadoop.fs.Path(f"{root}/{key}")
        self._system = self._path("").getFileSystem(spark._jsc.hadoopConfiguration())

    def put(self, key: str, text: str) -> None:
        """Writes a small file, in place of what was there."""
        stream = self._system.create(self._path(key), True)
        try:
            stream.write(text.encode())
        finally:
            stream.close()

    def remove(self, key: str) -> None:
        """Removes a file, or a folder and all in it, if it is there."""
        self._system.delete(self._path(key), True)

    def move_only_file(self, folder: str, key: str) -> None:
        """Gives the one file of a folder another name, and removes the folder."""
        [file] = [one.getPath() for one in self._system.listStatus(self._path(folder)) if one.getLen() or one.isFile()]
        self.remove(key)
        if not self._system.rename(file, self._path(key)):
            raise OSError(f"{file} could not become {key}")
        self.remove(folder)

    def parts(self, folder: str) -> list[dict]:
        """Key and SHA-256 of each file under a folder, by key. Executors read them."""
        found = (
            self.spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(f"{self.root}/{folder}")
            .select("path", F.sha2("content", 256).alias("sha256")).collect()
        )
        return sorted(({"key": self.key_of(row["path"], folder), "sha256": row["sha256"]} for row in found), key=lambda one: one["key"])

    def key_of(self, path: str, folder: str) -> str:
        """Key of a file from its URI, of which each file system has its own way to write the beginning."""
        return folder + path.rsplit(f"/{folder}", 1)[1]
