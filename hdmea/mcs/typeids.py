"""The type ids (class GUIDs) by which the CMOS-MEA formats name their objects.

Objects are found by these, never by their display names: names differ between versions of
the recording software and between users.
"""

from __future__ import annotations

from typing import Final

ROOT: Final = "cabb6cdd-47e0-417a-8e04-5664cbbc449b"
ACQUISITION: Final = "650d88ce-9f24-4b20-ac2b-254defd12761"

SENSOR_STREAM: Final = "15e5a1fe-df2f-421b-8b60-23eeb2213c45"
SENSOR_META: Final = "ab2aa189-2e72-4148-a2ef-978119223412"
SENSOR_DATA: Final = "49da47df-f397-4121-b5da-35317a93e705"

CHANNEL_STREAM: Final = "9217aeb4-59a0-4d7f-bdcd-0371c9fd66eb"
CHANNEL_META: Final = "9e8ac9cd-5571-4ee5-bbfa-8e9d9c436daa"
CHANNEL_DATA: Final = "5efe7932-dcfe-49ff-ba53-25accff5d622"

EVENT_STREAM: Final = "09f288a5-6286-4bed-a05c-02859baea8e3"
EVENT_META: Final = "8f58017a-1279-4d0f-80b0-78f2d80402b4"
EVENT_DATA: Final = "abca7b0c-b6ce-49fa-ad74-a20c352fe4a7"

SPIKE_SORTER: Final = "7263d1b7-f57a-42de-8f51-5d6326d22f2a"
UNIT: Final = "0e5a97df-9de0-4a22-ab8c-54845c1ff3b9"
UNITS_TABLE: Final = "7cffd022-c99e-42c2-b9f7-f79be7b4dfe6"
PEAKS: Final = "147721c1-1ca8-4a16-b697-08fbefddc180"
UNIT_INFO: Final = "ae5e3dbc-cca6-4565-8647-e681821a1801"

NAMES: Final[dict[str, str]] = {
    ROOT: "McsData",
    ACQUISITION: "Acquisition",
    SENSOR_STREAM: "SensorStream",
    SENSOR_META: "SensorMeta",
    SENSOR_DATA: "SensorData",
    CHANNEL_STREAM: "ChannelStream",
    CHANNEL_META: "ChannelMeta",
    CHANNEL_DATA: "ChannelData",
    EVENT_STREAM: "EventStream",
    EVENT_META: "EventMeta",
    EVENT_DATA: "EventData",
    SPIKE_SORTER: "SpikeSorter",
    UNIT: "SingleUnit",
    UNITS_TABLE: "Units",
    PEAKS: "Peaks",
    UNIT_INFO: "UnitInfo",
    "26efe891-c075-409b-94f8-eb3a7dd68c94": "SpikeStream",
    "e1d7616f-621c-4a26-8f60-a7e63a9030b7": "SpikeMeta",
    "3e8aaacc-268b-4057-b0bb-45d7dc9ec73b": "SpikeData",
    "35f15fa5-8427-4d07-8460-b77a7e9b7f8d": "SegmentStream",
    "425ce2e0-f1d6-4604-8ab4-6a2facbb2c3e": "TimeStampStream",
    "2f8c246f-9bab-4193-b09e-03aefe17ede0": "FilterTool",
    "c632506d-c961-4a9f-b22b-ac7a56ce3552": "FilterPipe",
    "b181ceed-337d-4bda-99ec-e7e624cf49d0": "SettingsFilterTool",
    "c6a37148-fa9e-42f2-9d38-eea0434851e2": "SpikeExplorer",
    "1b4e0b8b-6af1-4b55-a685-a6d28a922eb3": "SpikeExplorerData",
    "941c8edb-78b3-4275-a5b2-6876cbcdeffc": "NetworkExplorer",
    "442b7514-fe3a-4c66-8ae9-4f249ef48f2f": "NetworkSta",
    "a056832a-013d-4215-b8a6-cb1debeb1c56": "NetworkStdDev",
    "235c3c9c-1e94-40ca-8d4b-c5db5b079f16": "NeuralNetwork",
    "3fa908a3-fac9-4a80-96a1-310d9bcdf617": "ProjectionMatrix",
    "58c6e2a7-281c-4ace-884c-69f706bbc75e": "RoiSTAs",
    "4b383ee7-f561-4dbd-abc9-1c0bf831c02c": "Source",
    "1dc2e95d-f66e-4a95-b3f9-a40da9533601": "Unmixing",
    "9cdcea3f-88aa-40cf-89db-818315a2644a": "ActivitySummary",
}
"""A plain word for every type id that is known; ``ID.Type`` of what the simulator writes."""
