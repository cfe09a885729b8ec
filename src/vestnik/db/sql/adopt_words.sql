-- What the words of the predecessor's databases mean here, whatever their case; a word that is not there means nothing.
CREATE TEMPORARY TABLE adopt_words ON COMMIT DROP AS
SELECT w.kind, w.word, w.meaning
FROM (VALUES
    ('JOB', 'QUEUED', 'QUEUED'), ('JOB', 'PENDING', 'QUEUED'), ('JOB', 'CREATED', 'QUEUED'),
    ('JOB', 'WAITING', 'QUEUED'), ('JOB', 'DELAYED', 'QUEUED'), ('JOB', 'RETRY', 'QUEUED'),
    ('JOB', 'SENDING', 'SENDING'), ('JOB', 'ACTIVE', 'SENDING'), ('JOB', 'PROCESSING', 'SENDING'),
    ('JOB', 'IN_PROGRESS', 'SENDING'), ('JOB', 'RUNNING', 'SENDING'),
    ('JOB', 'SENT', 'SENT'), ('JOB', 'DELIVERED', 'SENT'), ('JOB', 'SUCCESS', 'SENT'), ('JOB', 'COMPLETED', 'SENT'),
    ('JOB', 'FAILED', 'FAILED'), ('JOB', 'ERROR', 'FAILED'),
    ('JOB', 'CANCELLED', 'CANCELLED'), ('JOB', 'CANCELED', 'CANCELLED'), ('JOB', 'SKIPPED', 'CANCELLED'),
    ('CAMPAIGN', 'DRAFT', 'DRAFT'), ('CAMPAIGN', 'NEW', 'DRAFT'), ('CAMPAIGN', 'CREATED', 'DRAFT'),
    ('CAMPAIGN', 'SCHEDULED', 'SCHEDULED'),
    ('CAMPAIGN', 'RUNNING', 'RUNNING'), ('CAMPAIGN', 'ACTIVE', 'RUNNING'), ('CAMPAIGN', 'STARTED', 'RUNNING'),
    ('CAMPAIGN', 'IN_PROGRESS', 'RUNNING'), ('CAMPAIGN', 'PROCESSING', 'RUNNING'), ('CAMPAIGN', 'SENDING', 'RUNNING'),
    ('CAMPAIGN', 'QUEUED', 'RUNNING'),
    ('CAMPAIGN', 'PAUSED', 'PAUSED'), ('CAMPAIGN', 'STOPPED', 'PAUSED'),
    ('CAMPAIGN', 'COMPLETED', 'COMPLETED'), ('CAMPAIGN', 'COMPLETE', 'COMPLETED'), ('CAMPAIGN', 'FINISHED', 'COMPLETED'),
    ('CAMPAIGN', 'DONE', 'COMPLETED'),
    ('CAMPAIGN', 'CANCELLED', 'CANCELLED'), ('CAMPAIGN', 'CANCELED', 'CANCELLED'),
    ('CAMPAIGN', 'FAILED', 'FAILED'), ('CAMPAIGN', 'ERROR', 'FAILED'),
    ('MODE', 'TEST', 'TEST'), ('MODE', 'LIVE', 'LIVE'), ('MODE', 'PRODUCTION', 'LIVE'), ('MODE', 'PROD', 'LIVE'),
    ('ROLE', 'ADMIN', 'ADMIN'), ('ROLE', 'OPERATOR', 'OPERATOR'), ('ROLE', 'VIEWER', 'VIEWER'),
    ('PARSE', 'HTML', 'HTML'), ('PARSE', 'MARKDOWN', 'MARKDOWN'), ('PARSE', 'MARKDOWNV2', 'MARKDOWN'),
    ('PARSE', 'MD', 'MARKDOWN'), ('PARSE', 'NONE', 'PLAIN'), ('PARSE', 'PLAIN', 'PLAIN'), ('PARSE', 'TEXT', 'PLAIN'),
    ('MEDIA', 'PHOTO', 'photo'), ('MEDIA', 'IMAGE', 'photo'), ('MEDIA', 'PICTURE', 'photo'),
    ('MEDIA', 'VIDEO', 'video'), ('MEDIA', 'DOCUMENT', 'document'), ('MEDIA', 'FILE', 'document'),
    ('MEDIA', 'ANIMATION', 'animation'), ('MEDIA', 'GIF', 'animation'), ('MEDIA', 'AUDIO', 'audio'),
    ('MEDIA', 'VOICE', 'voice')
) AS w (kind, word, meaning)
