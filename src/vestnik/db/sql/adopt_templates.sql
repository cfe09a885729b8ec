-- The templates. There a text was posted as it is, here braces belong to variables: so they are doubled. A file is named by
-- its address; without a type that is known it goes by the address' ending. `frozen` is what campaigns keep of it, and is
-- filled in afterwards. Names are made different as those of batches are.
CREATE TEMPORARY TABLE new_templates ON COMMIT DROP AS
WITH counted AS (
    SELECT o.*, nullif(left(btrim(o.name), 150), '') AS plain, nullif(btrim(o.media_url), '') AS url,
           substring(lower(split_part(split_part(o.media_url, '?', 1), '#', 1)) FROM '\.([a-z0-9]{2,4})$') AS ending,
           m.meaning AS kind, p.meaning AS markup, row_number() OVER (PARTITION BY o.id ORDER BY o.place) AS copy
    FROM old_templates o
    LEFT JOIN adopt_words m ON m.kind = 'MEDIA' AND m.word = upper(btrim(o.media_type))
    LEFT JOIN adopt_words p ON p.kind = 'PARSE' AND p.word = upper(btrim(o.parse_mode))
), judged AS (
    SELECT c.*, CASE WHEN c.id IS NULL THEN 'NO_ID' WHEN length(c.id) > 200 THEN 'ID_TOO_LONG'
                     WHEN c.copy > 1 THEN 'DUPLICATE_ID' END AS fault,
           CASE WHEN c.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN c.id::uuid ELSE gen_random_uuid() END AS new_id,
           replace(replace(coalesce(c.content, ''), E'\r\n', E'\n'), E'\r', E'\n') AS words
    FROM counted c
), ranked AS (
    SELECT j.*, j.plain IS NULL OR row_number() OVER (
               PARTITION BY j.fault IS NULL, j.plain ORDER BY j.created_at NULLS LAST, j.place) > 1 AS is_renamed
    FROM judged j
), named AS (
    SELECT r.*, CASE WHEN r.is_renamed THEN coalesce(r.plain, 'Template') || ' (' || r.id || ')' ELSE r.plain END AS known_as
    FROM ranked r
), told AS (
    SELECT n.*, row_number() OVER (PARTITION BY n.fault IS NULL, n.known_as ORDER BY n.is_renamed, n.place) AS namesake
    FROM named n
)
SELECT t.place, t.tid, t.id AS legacy_id, t.fault AS reason,
       t.new_id AS id, CASE WHEN t.namesake > 1 THEN t.known_as || ' (' || t.new_id || ')' ELSE t.known_as END AS name,
       replace(replace(t.words, '{', '{{'), '}', '}}') AS content, nullif(t.markup, 'PLAIN') AS parse_mode,
       CASE WHEN t.url IS NULL THEN NULL
            ELSE coalesce(t.kind, CASE WHEN t.ending IN ('jpg', 'jpeg', 'png', 'webp') THEN 'photo'
                                       WHEN t.ending IN ('mp4', 'mov', 'webm') THEN 'video'
                                       WHEN t.ending = 'gif' THEN 'animation'
                                       WHEN t.ending IN ('mp3', 'm4a') THEN 'audio'
                                       WHEN t.ending IN ('ogg', 'oga') THEN 'voice' ELSE 'document' END) END AS media_type,
       t.url AS media_url, CAST(NULL AS jsonb) AS frozen,
       coalesce(t.created_at, now()) AS created_at, coalesce(t.updated_at, t.created_at, now()) AS updated_at,
       array_remove(ARRAY[
           CASE WHEN t.is_renamed THEN 'RENAMED' END,
           CASE WHEN t.words ~ '[{}]' THEN 'BRACES_DOUBLED' END,
           CASE WHEN t.url IS NOT NULL AND t.kind IS NULL THEN 'MEDIA_TYPE_GUESSED' END,
           CASE WHEN t.url IS NULL AND t.kind IS NOT NULL THEN 'MEDIA_WITHOUT_ADDRESS' END,
           CASE WHEN nullif(btrim(t.parse_mode), '') IS NOT NULL AND t.markup IS NULL THEN 'MARKUP_UNKNOWN' END
       ], NULL) AS changes
FROM told t
