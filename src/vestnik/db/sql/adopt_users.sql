-- Who becomes a person of ours, and who does not and why. An address counts once, for whoever had it first. A role that
-- is not known becomes the least of all. Passwords are kept where our own hashes can be told; all others are to be set.
CREATE TEMPORARY TABLE new_users ON COMMIT DROP AS
WITH counted AS (
    SELECT o.*, left(lower(btrim(o.email)), 254) AS address, w.meaning AS known_role,
           row_number() OVER (PARTITION BY o.id ORDER BY o.place) AS copy
    FROM old_users o
    LEFT JOIN adopt_words w ON w.kind = 'ROLE' AND w.word = upper(btrim(o.role))
), judged AS (
    SELECT c.*, CASE WHEN c.id IS NULL THEN 'NO_ID' WHEN length(c.id) > 200 THEN 'ID_TOO_LONG'
                     WHEN c.copy > 1 THEN 'DUPLICATE_ID'
                     WHEN coalesce(c.address, '') = '' THEN 'NO_EMAIL' END AS fault
    FROM counted c
), ranked AS (
    SELECT j.*, row_number() OVER (
               PARTITION BY j.fault IS NULL, j.address ORDER BY j.created_at NULLS LAST, j.place) AS namesake
    FROM judged j
)
SELECT r.place, r.tid, r.id AS legacy_id,
       coalesce(r.fault, CASE WHEN r.namesake > 1 THEN 'DUPLICATE_EMAIL' END) AS reason,
       CASE WHEN r.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN r.id::uuid ELSE gen_random_uuid() END AS id,
       r.address AS email, left(coalesce(btrim(r.name), ''), 200) AS name, coalesce(r.known_role, 'VIEWER') AS role,
       CASE WHEN r.password_hash LIKE '$argon2id$%' THEN r.password_hash END AS password_hash,
       coalesce(r.is_active, true) AS is_active, r.last_login_at,
       coalesce(r.created_at, now()) AS created_at, coalesce(r.updated_at, r.created_at, now()) AS updated_at,
       array_remove(ARRAY[
           CASE WHEN r.known_role IS NULL THEN 'ROLE_UNKNOWN' END,
           CASE WHEN r.password_hash IS NOT NULL AND r.password_hash NOT LIKE '$argon2id$%' THEN 'PASSWORD_TO_SET' END
       ], NULL) AS changes
FROM ranked r
