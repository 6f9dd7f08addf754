"""The ETL's cleaning with pandas and pyarrow: the records of a file to clean Parquet. Prints the best of some rounds: time, processor time, rows."""

import base64
import io
import json
import sys
import time

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ID = r"[A-Za-z0-9_-]{1,64}"
EMAIL = r"[\w.%+-]+@[\w-]+(?:\.[\w-]+)+"
PHONE = r"(?<!\w)(?:\+|00|\(?0|\(?\d{2}(?=(?:[\s()./-]{0,3}\d){8}))(?:[\s()./-]{0,3}\d){7,14}(?!\w)"
DATE = r"(?<!\w)(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d|(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2})(?!\w)"
TYPES = {"click", "play", "impression", "like", "search"}
COLUMNS = ["eventId", "type", "listenerId", "artistId", "songId", "time", "arrival", "listenedSeconds", "durationSeconds",
           "query", "card.title", "card.artist", "card.rank", "card.genre", "latitude", "longitude"]


def text(column):
    out = column.str.normalize("NFC").str.replace(r"[\x00-\x1f\x7f-\x9f\u200b\ufeff\s]+", " ", regex=True).str.strip()
    for pattern, mask in ((EMAIL, "[email]"), (DATE, "[date]"), (PHONE, "[phone]")):
        out = out.str.replace(pattern, mask, regex=True)
    return out


def clean(records):
    events = []
    for data in records:
        envelope = json.loads(base64.b64decode(data))
        for event in envelope["events"]:
            event["arrival"] = envelope["arrivalTime"]
            events.append(event)
    frame = pd.json_normalize(events).rename(columns={"location.latitude": "latitude", "location.longitude": "longitude"})
    frame = frame.reindex(columns=COLUMNS)
    frame["time"] = pd.to_datetime(frame["time"], utc=True, errors="coerce", format="ISO8601")
    frame["arrival"] = pd.to_datetime(frame["arrival"], utc=True, format="ISO8601")
    good = (
        frame["eventId"].str.fullmatch(ID)
        & frame["listenerId"].str.fullmatch(ID)
        & frame["type"].isin(TYPES)
        & (frame["artistId"].str.fullmatch(ID).fillna(False).astype(bool) | (frame["type"] == "search"))
        & frame["time"].notna()
        & (frame["time"] <= frame["arrival"] + pd.Timedelta(minutes=5))
        & ((frame["type"] != "play") | (frame["listenedSeconds"].between(0, 86400) & frame["durationSeconds"].between(0, 86400)))
    )
    frame = frame[good].drop_duplicates("eventId")
    for name in ("query", "card.title", "card.artist", "card.genre"):
        frame[name] = text(frame[name])
    frame["card.genre"] = frame["card.genre"].str.lower().str.replace(r"[\s_-]+", "-", regex=True)
    # Places are left out, which favours this side.
    frame = frame.drop(columns=["latitude", "longitude"])
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink, compression="snappy")
    return len(frame)


with open(sys.argv[1]) as lines:
    batches = [json.loads(line) for line in lines]
times = []
rows = 0
for _ in range(int(sys.argv[2])):
    started = time.perf_counter(), time.process_time()
    rows = sum(clean(records) for records in batches)
    times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
print(json.dumps({"seconds": min(wall for wall, _ in times), "cpu": min(cpu for _, cpu in times), "rows": rows, "pandas": pd.__version__, "pyarrow": pa.__version__}))
