-- The batches. Names are unique here: of several of one name the later ones get their old id behind it.
CREATE TEMPORARY TABLE new_batches ON COMMIT DROP AS
WITH counted AS (
    SELECT o.*, nullif(left(btrim(o.name), 150), '') AS plain,
           row_number() OVER (PARTITION BY o.id ORDER BY o.place) AS copy
    FROM old_batches o
), judged AS (
    SELECT c.*, CASE WHEN c.id IS NULL THEN 'NO_ID' WHEN c.copy > 1 THEN 'DUPLICATE_ID' END AS fault
    FROM counted c
), ranked AS (
    SELECT j.*, row_number() OVER (
               PARTITION BY j.fault IS NULL, j.plain ORDER BY j.created_at NULLS LAST, j.place) AS namesake
    FROM judged j
)
SELECT r.place, r.tid, r.id AS legacy_id, r.fault AS reason,
       CASE WHEN r.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN r.id::uuid ELSE gen_random_uuid() END AS id,
       CASE WHEN r.plain IS NULL OR r.namesake > 1 THEN coalesce(r.plain, 'Batch') || ' (' || r.id || ')'
            ELSE r.plain END AS name,
       coalesce(r.created_at, now()) AS created_at, coalesce(r.updated_at, r.created_at, now()) AS updated_at,
       CASE WHEN r.plain IS NULL OR r.namesake > 1 THEN ARRAY['RENAMED'] ELSE '{}' END AS changes
FROM ranked r
