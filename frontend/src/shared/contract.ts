// Made of contract.schema.json by `npm run contract`; change the Python models instead.

/**
 * Of a job.
 */
export type Status = ("queued" | "in_progress" | "completed" | "failed" | "canceled")
/**
 * What a worker is doing with a render.
 */
export type Stage = ("loading" | "rendering" | "encoding" | "uploading")
/**
 * Every code that a problem document or a job's ``error.code`` can carry.
 */
export type ErrorCode = ("malformed_request" | "unauthenticated" | "invalid_request" | "unsupported_media_type" | "payload_too_large" | "not_found" | "method_not_allowed" | "idempotency_conflict" | "not_ready" | "no_video" | "unavailable" | "internal" | "not_allowed" | "prompt_refused" | "quota_exceeded" | "too_many_requests" | "overloaded" | "budget_spent" | "output_refused" | "model_unavailable" | "render_failed" | "deadline_exceeded" | "render_gone" | "manifest_gone")

export interface Contract {
Job: Job
Usage: Usage
Perspective: Perspective
Theme: Theme
Model: Model
}
/**
 * One caller's wish. Clients poll or listen to exactly this document.
 */
export interface Job {
schema_version: 1
job_id: string
/**
 * Who may see it.
 */
owner: string
status: Status
/**
 * What was asked, defaults filled in; null for a message that could not be read at all.
 */
request: (Request | null)
/**
 * The render it waits for; null when it was rejected.
 */
render_key: (string | null)
/**
 * Percent of the whole work.
 */
progress: number
/**
 * What is being done while in progress.
 */
stage: (Stage | null)
/**
 * A rough picture that the creature sees, from the middle of the work; null: there is none, or not yet.
 */
preview_path: (string | null)
video: (Video | null)
error: (JobError | null)
/**
 * Its share of what the video has cost; null: there is none, or an earlier release made it.
 */
cost: (Cost | null)
created_at: string
updated_at: string
started_at: (string | null)
finished_at: (string | null)
/**
 * It fails when it is not final by then.
 */
deadline_at: string
/**
 * It may be deleted after this.
 */
expires_at: string
/**
 * SHA-256 of the raw body: the same Idempotency-Key with another body is refused.
 */
fingerprint: string
/**
 * The batch that it came with, if it came with one.
 */
batch_id: (string | null)
/**
 * Of the link that anyone may open; null: there is none.
 */
share_token: (string | null)
/**
 * It became final and its event is not published yet: the outbox.
 */
event_pending: boolean
/**
 * W3C trace context of the submission.
 */
traceparent: (string | null)
}
/**
 * What a caller asks. Everything but the perspective has a default.
 * 
 * Whether the catalogues and the deployment know what it names is checked by `parse_request` alone: a stored request
 * stays readable after an entry has left the catalogue.
 */
export interface Request {
/**
 * Id of a perspective of the catalogue.
 */
perspective: string
/**
 * What happens in front of the eyes; a default scene when absent.
 */
prompt: (string | null)
/**
 * Id of a theme of the catalogue.
 */
theme: (string | null)
/**
 * Drawn from a small pool when absent, so that popular wishes are often ready at once.
 */
seed: (number | null)
/**
 * Id of a model that this deployment serves.
 */
model: (string | null)
/**
 * ``WIDTHxHEIGHT`` in pixels, one of those that the model can do.
 */
size: (string | null)
/**
 * Length of the clip, one of those that the model can do.
 */
seconds: (number | null)
/**
 * Who goes first when there is a queue.
 */
priority: ("interactive" | "bulk")
}
/**
 * What was made, and where it lies in the artifact bucket.
 */
export interface Video {
path: string
poster_path: string
/**
 * The same clip as drawn, for a person's eye; null: the video is that, since no eye changed it.
 */
human_view_path: (string | null)
receipt_path: string
/**
 * Generation of the object at ``path``: the commit.
 */
generation: number
width: number
height: number
frames: number
fps: number
duration_s: number
size_bytes: number
content_type: "video/mp4"
}
/**
 * Why a job ended without a video.
 */
export interface JobError {
code: ErrorCode
/**
 * For people; names every fault of a rejected request.
 */
message: string
}
/**
 * What it has cost. Of a job its share: a render that several wait for costs once.
 */
export interface Cost {
/**
 * GPU seconds: of loading the model and of drawing.
 */
gpu_s: number
/**
 * Money, by the catalogue's price of the GPU at that time; null: it has none.
 */
amount: (number | null)
/**
 * ISO 4217; null without an amount.
 */
currency: (string | null)
}
/**
 * What it took.
 */
export interface Usage {
/**
 * Seconds until the model was ready; 0 when it was warm.
 */
load_s: number
/**
 * Seconds of denoising and decoding: what a GPU is paid for.
 */
render_s: number
/**
 * Seconds of the creature's eye.
 */
see_s: number
/**
 * Seconds of encoding; of both videos where there are two.
 */
encode_s: number
/**
 * Seconds of signing what was made; 0 in the receipt, whose hash the signature holds. 0: it was not signed.
 */
sign_s: number
/**
 * Seconds from the beginning of loading to the last frame in its file. Less than the sum of all others: frames are
 * seen and encoded while others are decoded. 0: not measured, by an earlier release.
 */
whole_s: number
/**
 * Name of the device that rendered.
 */
device: string
}
/**
 * A creature or person whose eyes one can borrow.
 */
export interface Perspective {
/**
 * The file's name without its ending.
 */
id: string
/**
 * Raised whenever the entry draws other pixels than before: it is part of the render key.
 */
version: number
/**
 * What people read.
 */
name: string
/**
 * One or two plain sentences.
 */
summary: string
/**
 * The group it is listed under.
 */
kind: ("mammal" | "bird" | "fish" | "insect" | "reptile" | "mollusc" | "human" | "thing")
/**
 * How it sees, in plain words, for people.
 */
sight: string
/**
 * What it sees when the caller gives no words; the seed picks one.
 * 
 * @minItems 1
 */
scenes: [string, ...(string)[]]
camera: Camera
optics: Optics
/**
 * A game, with no claim to science.
 */
playful?: boolean
}
/**
 * Where its eyes are, and how they move.
 */
export interface Camera {
/**
 * Above the ground, in metres.
 */
height_m: number
/**
 * In plain words.
 */
motion: string
}
/**
 * How they see.
 */
export interface Optics {
/**
 * Angle that the rendered frame is declared to span horizontally. Narrow for eyes that see far.
 */
frame_deg: number
/**
 * Finest grating that it resolves, in cycles per degree.
 */
acuity_cpd?: (Figure | null)
peaks_nm?: (Peaks | null)
deficiency?: (Deficiency | null)
/**
 * Of colours, by that of a person.
 */
saturation?: (Figure | null)
/**
 * Of what is near to each other, by that of a person.
 */
contrast?: (Figure | null)
/**
 * Horizontal field of both eyes together.
 */
field_deg?: (Figure | null)
eyes?: (Eyes | null)
/**
 * Angle between two neighbouring facets of a compound eye.
 */
facets_deg?: (Figure | null)
/**
 * Frequency at which flicker runs together.
 */
fusion_hz?: (Figure | null)
/**
 * Least light that it sees, by that of a person: below 1 sees in the dark.
 */
threshold?: (Figure | null)
lens?: (Lens | null)
scotoma?: (Scotoma | null)
heat?: (Heat | null)
}
/**
 * A number.
 */
export interface Figure {
/**
 * Author, year, where.
 */
source?: (string | null)
/**
 * Why this number, where nobody is known to have measured it.
 */
estimate?: (string | null)
value: number
}
/**
 * Wavelengths in nm at which an eye's kinds of cones see best.
 */
export interface Peaks {
/**
 * Author, year, where.
 */
source?: (string | null)
/**
 * Why this number, where nobody is known to have measured it.
 */
estimate?: (string | null)
/**
 * @minItems 1
 * @maxItems 6
 */
values: [number]|[number, number]|[number, number, number]|[number, number, number, number]|[number, number, number, number, number]|[number, number, number, number, number, number]
}
/**
 * A person's colour deficiency, as Machado, Oliveira & Fernandes 2009 (IEEE TVCG 15:1291) have it.
 */
export interface Deficiency {
/**
 * Author, year, where.
 */
source?: (string | null)
/**
 * Why this number, where nobody is known to have measured it.
 */
estimate?: (string | null)
/**
 * Of the long, middle, short cones.
 */
kind: ("protan" | "deutan" | "tritan")
/**
 * 1: the cones are missing.
 */
severity: number
}
/**
 * Eyes at the sides of a head.
 */
export interface Eyes {
/**
 * Author, year, where.
 */
source?: (string | null)
/**
 * Why this number, where nobody is known to have measured it.
 */
estimate?: (string | null)
/**
 * That both see.
 */
binocular_deg: number
}
/**
 * A lens that has yellowed and scatters.
 */
export interface Lens {
/**
 * Author, year, where.
 */
source?: (string | null)
/**
 * Why this number, where nobody is known to have measured it.
 */
estimate?: (string | null)
/**
 * Part of red, green, blue light that reaches the retina.
 * 
 * @minItems 3
 * @maxItems 3
 */
passes: [unknown, unknown, unknown]
/**
 * Part of the light that is scattered over the whole field.
 */
veil: number
}
/**
 * A blind spot in the middle, where one looks.
 */
export interface Scotoma {
/**
 * Author, year, where.
 */
source?: (string | null)
/**
 * Why this number, where nobody is known to have measured it.
 */
estimate?: (string | null)
radius_deg: number
}
/**
 * An organ that sees warmth, which no picture holds: shown is false colour, made of brightness and redness.
 */
export interface Heat {
/**
 * Author, year, where.
 */
source?: (string | null)
/**
 * Why this number, where nobody is known to have measured it.
 */
estimate?: (string | null)
acuity_cpd: number
/**
 * Of the false colour in what is seen.
 */
share: number
}
/**
 * A mood that any perspective can be put into.
 */
export interface Theme {
/**
 * The file's name without its ending.
 */
id: string
/**
 * Raised whenever the entry draws other pixels than before: it is part of the render key.
 */
version: number
/**
 * What people read.
 */
name: string
/**
 * One or two plain sentences.
 */
summary: string
/**
 * What it adds to the prompt.
 */
words: string
}
/**
 * A text-to-video model that diffusers can load.
 */
export interface Model {
/**
 * The file's name without its ending.
 */
id: string
/**
 * Raised whenever the entry draws other pixels than before: it is part of the render key.
 */
version: number
/**
 * What people read.
 */
name: string
/**
 * One or two plain sentences.
 */
summary: string
licence: string
/**
 * False for a model whose pictures are noise.
 */
trained: boolean
/**
 * Lengths it can do; the first is the default.
 * 
 * @minItems 1
 */
lengths: [Length, ...(Length)[]]
fps: number
sizes: string[]
}
/**
 * A clip length that the model was made for: what people ask for, and how many frames that is.
 */
export interface Length {
seconds: number
frames: number
}
