"""Where this process keeps the files of media: in a bucket if one is named, else in its data directory."""

from vestnik.db.media_files import LocalMediaStore
from vestnik.domain.media_store import MediaStore
from vestnik.settings import Settings


def make_media_store(settings: Settings) -> MediaStore:
    """Nothing is opened or asked yet."""
    local = LocalMediaStore(settings.data_dir)
    if settings.s3_bucket is None:
        return local
    from vestnik.db.media_bucket import BucketAddress, BucketMediaStore

    assert settings.s3_address is not None
    assert settings.s3_access_key_id is not None
    assert settings.s3_secret_access_key is not None
    address = BucketAddress(
        endpoint=settings.s3_address,
        bucket=settings.s3_bucket,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id.get_secret_value(),
        secret_access_key=settings.s3_secret_access_key.get_secret_value(),
    )
    return BucketMediaStore(address, local)
