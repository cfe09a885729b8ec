-- The batches. Names are unique here: of several of one name the later ones get their old id behind it, and our own
-- where another one is called just that.
CREATE TEMPORARY TABLE new_batches ON COMMIT DROP AS
WITH counted AS (
    SELECT o.*, nullif(left(btrim(o.name), 150), '') AS plain,
           row_number() OVER (PARTITION BY o.id ORDER BY o.place) AS copy
    FROM old_batches o
), judged AS (
    SELECT c.*, CASE WHEN c.id IS NULL THEN 'NO_ID' WHEN length(c.id) > 200 THEN 'ID_TOO_LONG'
                     WHEN c.copy > 1 THEN 'DUPLICATE_ID' END AS fault,
           CASE WHEN c.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN c.id::uuid ELSE gen_random_uuid() END AS new_id
    FROM counted c
), ranked AS (
    SELECT j.*, j.plain IS NULL OR row_number() OVER (
               PARTITION BY j.fault IS NULL, j.plain ORDER BY j.created_at NULLS LAST, j.place) > 1 AS is_renamed
    FROM judged j
), named AS (
    SELECT r.*, CASE WHEN r.is_renamed THEN coalesce(r.plain, 'Batch') || ' (' || r.id || ')' ELSE r.plain END AS known_as
    FROM ranked r
), told AS (
    SELECT n.*, row_number() OVER (PARTITION BY n.fault IS NULL, n.known_as ORDER BY n.is_renamed, n.place) AS namesake
    FROM named n
)
SELECT t.place, t.tid, t.id AS legacy_id, t.fault AS reason, t.new_id AS id,
       CASE WHEN t.namesake > 1 THEN t.known_as || ' (' || t.new_id || ')' ELSE t.known_as END AS name,
       coalesce(t.created_at, now()) AS created_at, coalesce(t.updated_at, t.created_at, now()) AS updated_at,
       CASE WHEN t.is_renamed THEN ARRAY['RENAMED'] ELSE '{}' END AS changes
FROM told t
