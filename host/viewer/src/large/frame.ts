// Which part of an image is in sight: screen = image · scale + offset, in CSS pixels.

export interface Frame {
  scale: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

const MARGIN = 12;
const SMALLEST = 0.02;
const LARGEST = 64;

export function fitted(image: Size, sight: Size): Frame {
  const scale = Math.max(SMALLEST, Math.min((sight.width - 2 * MARGIN) / image.width, (sight.height - 2 * MARGIN) / image.height, 6));
  return { scale, x: (sight.width - image.width * scale) / 2, y: (sight.height - image.height * scale) / 2 };
}

/** Zooms by `factor` while the point of the screen stays where it is. */
export function zoomed(frame: Frame, factor: number, x: number, y: number): Frame {
  const scale = Math.min(Math.max(frame.scale * factor, SMALLEST), LARGEST);
  const share = scale / frame.scale;
  return { scale, x: x - (x - frame.x) * share, y: y - (y - frame.y) * share };
}

/** Moves the image, a part of which always stays in sight. */
export function panned(frame: Frame, dx: number, dy: number, image: Size, sight: Size): Frame {
  const stay = 40;
  const within = (offset: number, length: number, room: number) => Math.min(Math.max(offset, stay - length * frame.scale), room - stay);
  return { ...frame, x: within(frame.x + dx, image.width, sight.width), y: within(frame.y + dy, image.height, sight.height) };
}

export const toImage = (frame: Frame, x: number, y: number): [x: number, y: number] => [(x - frame.x) / frame.scale, (y - frame.y) / frame.scale];
