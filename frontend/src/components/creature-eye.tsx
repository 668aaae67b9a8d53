// The eye that waits: decoration, so hidden from readers of the screen.
export function CreatureEye({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 120 80" className={className} aria-hidden focusable="false">
      <g className="eye-lid">
        <path d="M4 40Q60-22 116 40Q60 102 4 40Z" fill="var(--primary)" />
        <ellipse className="eye-pupil" cx="60" cy="40" rx="10" ry="28" fill="var(--primary-foreground)" />
        <circle cx="70" cy="27" r="5" fill="var(--card)" opacity="0.85" />
      </g>
    </svg>
  );
}
