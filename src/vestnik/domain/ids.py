"""Identifiers that must not be mixed up."""

from typing import NewType
from uuid import UUID

AccountId = NewType("AccountId", UUID)
BatchId = NewType("BatchId", UUID)
CampaignId = NewType("CampaignId", UUID)
ChannelId = NewType("ChannelId", UUID)
CommandId = NewType("CommandId", UUID)
MediaId = NewType("MediaId", UUID)
TemplateId = NewType("TemplateId", UUID)
JobId = NewType("JobId", int)
