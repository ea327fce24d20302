CREATE STREAMING QUERY q OUTPUT MODE append TRIGGER PROCESSING TIME '5 seconds' CHECKPOINT LOCATION '/c' INTO json OPTIONS (path '/out')
AS SELECT window(ts, '10 minutes', '5 minutes', '1 minute') AS w, s, count(*) FROM STREAM t WATERMARK ts DELAY OF INTERVAL 10 MINUTES GROUP BY window(ts, '10 minutes', '5 minutes', '1 minute'), s;
CREATE STREAMING QUERY q2 OUTPUT MODE complete TRIGGER ONCE INTO console AS SELECT s, avg(d) FROM STREAM t GROUP BY s ORDER BY s;
