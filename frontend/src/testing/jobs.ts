// Jobs for tests, as the API shows them.
import type { JobView } from "@/shared/api";
import type { Perspective, Video } from "@/shared/contract";

export const VIDEO: Video = {
  path: "renders/k/video.mp4",
  poster_path: "renders/k/poster.jpg",
  human_view_path: "renders/k/human-view.mp4",
  receipt_path: "renders/k/receipt.json",
  generation: 1,
  width: 256,
  height: 256,
  frames: 33,
  fps: 16,
  duration_s: 2.0625,
  size_bytes: 9,
  content_type: "video/mp4",
};

export function aJob(changed: Partial<JobView> = {}): JobView {
  return {
    schema_version: 1,
    job_id: "job-0001",
    owner: "ada",
    status: "queued",
    request: { perspective: "curious-cat", prompt: null, theme: null, seed: 7, model: "pocket", size: "256x256", seconds: 2, priority: "interactive" },
    render_key: "a".repeat(40),
    progress: 0,
    stage: null,
    share_token: null,
    preview_path: null,
    video: null,
    error: null,
    cost: null,
    created_at: "2026-11-26T12:00:00Z",
    updated_at: "2026-11-26T12:00:00Z",
    started_at: null,
    finished_at: null,
    deadline_at: "2026-11-27T12:00:00Z",
    expires_at: "2026-12-26T12:00:00Z",
    fingerprint: "",
    batch_id: null,
    event_pending: false,
    traceparent: null,
    ...changed,
  };
}

export function aPerspective(changed: Partial<Perspective> = {}): Perspective {
  return {
    id: "curious-cat",
    version: 1,
    name: "Curious cat",
    summary: "Low and quiet.",
    kind: "mammal",
    sight: "A cat sees well at dusk.",
    scenes: ["a ball of yarn", "a mouse"],
    camera: { height_m: 0.25, motion: "prowls" },
    optics: { frame_deg: 90, acuity_cpd: { source: "Hall & Mitchell 1991", value: 6 } },
    ...changed,
  };
}
