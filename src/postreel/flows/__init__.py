"""One thin function a job: fetch through the gate, call the ground floor, keep. No arithmetic here.

Public modules: `ingest` (events and imports), `refresh` (sessions and tastes), `choose` (titles for members),
`send` (a campaign from plan to settled).
"""
