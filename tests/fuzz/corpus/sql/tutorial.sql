-- Count actions by event-time window, as the files arrive: complete mode prints every count each batch.
CREATE TABLE mobile (id STRING, action STRING, ts TIMESTAMP)
USING json OPTIONS (path 'examples/mobile/input', maxFilesPerTrigger 1);

CREATE STREAMING QUERY action_counts
  OUTPUT MODE complete
  TRIGGER AVAILABLE NOW
  INTO console OPTIONS (truncate false)
AS SELECT window(ts, '10 minutes') AS window, action, count(*) AS count
   FROM STREAM mobile WATERMARK ts DELAY OF INTERVAL 10 MINUTES
   GROUP BY window(ts, '10 minutes'), action;
