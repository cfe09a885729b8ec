-- Which channels are taken over. Names are read as an import reads them: @name, t.me/name, -100id. Of several rows for one
-- channel the active one stands, else the oldest, and whatever refers to the others refers to it (`kept_id`).
CREATE TEMPORARY TABLE new_channels ON COMMIT DROP AS
WITH words AS (
    SELECT o.*, btrim(o.username, E' \t\r\n\u200b\u200c\u200d\u2060\ufeff') AS word,
           row_number() OVER (PARTITION BY o.id ORDER BY o.place) AS copy
    FROM old_channels o
), links AS (
    SELECT w.*, coalesce(w.word ~* '^(https?\://)?(www\.)?(t\.me|telegram\.(me|dog))/', false) AS is_link
    FROM words w
), paths AS (
    SELECT l.*, CASE WHEN l.is_link
                     THEN regexp_replace(l.word, '^(https?\://)?(www\.)?(t\.me|telegram\.(me|dog))/(s/|c/)?', '', 'i')
                     ELSE l.word END AS path
    FROM links l
), named AS (
    SELECT p.*, split_part(split_part(split_part(ltrim(p.path, '@'), '?', 1), '#', 1), '/', 1) AS name
    FROM paths p
), addressed AS (
    SELECT n.*, CASE WHEN n.name ~ '^[A-Za-z][A-Za-z0-9_]{3,31}$'
                 AND NOT (n.is_link AND lower(n.name) IN ('joinchat', 'addlist', 'share', 'proxy', 'login', 'invoice'))
                THEN n.name END AS address,
           CASE WHEN n.name ~ '^-?[0-9]{1,15}$' THEN n.name::bigint
                WHEN btrim(n.tg_id) ~ '^-?[0-9]{1,15}$' THEN btrim(n.tg_id)::bigint END AS number
    FROM named n
), numbered AS (
    SELECT a.*, CASE WHEN a.number < -1000000000000 THEN -a.number - 1000000000000 ELSE a.number END AS proper
    FROM addressed a
), judged AS (
    SELECT n.*, CASE WHEN n.proper BETWEEN 1000000 AND 997852516352 THEN n.proper END AS peer
    FROM numbered n
), faulty AS (
    SELECT j.*, CASE WHEN j.id IS NULL THEN 'NO_ID' WHEN length(j.id) > 200 THEN 'ID_TOO_LONG'
                     WHEN j.copy > 1 THEN 'DUPLICATE_ID'
                     WHEN j.address IS NULL AND j.peer IS NULL THEN 'NO_ADDRESS' END AS fault,
           coalesce(lower(j.address), '#' || j.peer) AS key,
           CASE WHEN j.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN j.id::uuid ELSE gen_random_uuid() END AS new_id
    FROM judged j
), ranked AS (
    SELECT f.*, row_number() OVER same AS namesake, first_value(f.new_id) OVER same AS first_id
    FROM faulty f
    WINDOW same AS (PARTITION BY f.fault IS NULL AND f.deleted_at IS NULL, f.key
                    ORDER BY coalesce(f.is_active, true) DESC, f.created_at NULLS LAST, f.place)
)
SELECT r.place, r.tid, r.id AS legacy_id, r.new_id AS id,
       coalesce(r.fault, CASE WHEN r.namesake > 1 AND r.deleted_at IS NULL THEN 'DUPLICATE_CHANNEL' END) AS reason,
       CASE WHEN r.fault IS NOT NULL THEN NULL WHEN r.deleted_at IS NULL THEN r.first_id ELSE r.new_id END AS kept_id,
       r.address AS username, r.peer AS tg_id,
       nullif(left(regexp_replace(btrim(coalesce(r.title, '')), '[[:space:]]+', ' ', 'g'), 255), '') AS title,
       coalesce(r.is_active, true) AS is_active,
       CASE WHEN NOT r.is_active
            THEN coalesce(substring(r.last_error FROM '[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z]'), 'OPERATOR') END AS inactive_reason,
       CASE WHEN NOT r.is_active THEN coalesce(r.updated_at, r.created_at, now()) END AS inactive_since,
       r.deleted_at,
       coalesce(r.created_at, now()) AS created_at, coalesce(r.updated_at, r.created_at, now()) AS updated_at,
       array_remove(ARRAY[
           CASE WHEN coalesce(r.address, '') IS DISTINCT FROM coalesce(r.username, '') THEN 'ADDRESS_READ' END
       ], NULL) AS changes
FROM ranked r
