-- The same files read once. Without a schema it is inferred.
CREATE TABLE mobile USING json OPTIONS (path 'examples/mobile/input');
DESCRIBE TREE mobile;
SELECT * FROM mobile;
SELECT action, count(*) AS count FROM mobile GROUP BY action;
