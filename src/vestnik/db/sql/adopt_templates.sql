-- The templates. There a text was posted as it is, here braces belong to variables: so they are doubled. A file is named by
-- its address; without a type that is known it goes by the address' ending. `frozen` is what campaigns keep of it, and is
-- filled in afterwards.
CREATE TEMPORARY TABLE new_templates ON COMMIT DROP AS
WITH counted AS (
    SELECT o.*, nullif(left(btrim(o.name), 150), '') AS plain, nullif(btrim(o.media_url), '') AS url,
           substring(lower(split_part(split_part(o.media_url, '?', 1), '#', 1)) FROM '\.([a-z0-9]{2,4})$') AS ending,
           m.meaning AS kind, p.meaning AS markup, row_number() OVER (PARTITION BY o.id ORDER BY o.place) AS copy
    FROM old_templates o
    LEFT JOIN adopt_words m ON m.kind = 'MEDIA' AND m.word = upper(btrim(o.media_type))
    LEFT JOIN adopt_words p ON p.kind = 'PARSE' AND p.word = upper(btrim(o.parse_mode))
), judged AS (
    SELECT c.*, CASE WHEN c.id IS NULL THEN 'NO_ID' WHEN c.copy > 1 THEN 'DUPLICATE_ID' END AS fault,
           replace(replace(coalesce(c.content, ''), E'\r\n', E'\n'), E'\r', E'\n') AS words
    FROM counted c
), ranked AS (
    SELECT j.*, row_number() OVER (
               PARTITION BY j.fault IS NULL, j.plain ORDER BY j.created_at NULLS LAST, j.place) AS namesake
    FROM judged j
)
SELECT r.place, r.tid, r.id AS legacy_id, r.fault AS reason,
       CASE WHEN r.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN r.id::uuid ELSE gen_random_uuid() END AS id,
       CASE WHEN r.plain IS NULL OR r.namesake > 1 THEN coalesce(r.plain, 'Template') || ' (' || r.id || ')'
            ELSE r.plain END AS name,
       replace(replace(r.words, '{', '{{'), '}', '}}') AS content, nullif(r.markup, 'PLAIN') AS parse_mode,
       CASE WHEN r.url IS NULL THEN NULL
            ELSE coalesce(r.kind, CASE WHEN r.ending IN ('jpg', 'jpeg', 'png', 'webp') THEN 'photo'
                                       WHEN r.ending IN ('mp4', 'mov', 'webm') THEN 'video'
                                       WHEN r.ending = 'gif' THEN 'animation'
                                       WHEN r.ending IN ('mp3', 'm4a') THEN 'audio'
                                       WHEN r.ending IN ('ogg', 'oga') THEN 'voice' ELSE 'document' END) END AS media_type,
       r.url AS media_url, CAST(NULL AS jsonb) AS frozen,
       coalesce(r.created_at, now()) AS created_at, coalesce(r.updated_at, r.created_at, now()) AS updated_at,
       array_remove(ARRAY[
           CASE WHEN r.plain IS NULL OR r.namesake > 1 THEN 'RENAMED' END,
           CASE WHEN r.words ~ '[{}]' THEN 'BRACES_DOUBLED' END,
           CASE WHEN r.url IS NOT NULL AND r.kind IS NULL THEN 'MEDIA_TYPE_GUESSED' END,
           CASE WHEN r.url IS NULL AND r.kind IS NOT NULL THEN 'MEDIA_WITHOUT_ADDRESS' END,
           CASE WHEN nullif(btrim(r.parse_mode), '') IS NOT NULL AND r.markup IS NULL THEN 'MARKUP_UNKNOWN' END
       ], NULL) AS changes
FROM ranked r
