// The image of a sample: loaded once, replaced by its thumbnail where the browser cannot read it. The server sends it turned as the masks are.
import { isAbort, lineOf, request } from "../api.ts";
import { pictureOf } from "../store.ts";

export interface Picture {
  image: HTMLImageElement | null;
  /** Why the image itself is not shown. */
  problem: string | null;
}

const KEPT = 8;
const pictures = new Map<number, Promise<Picture>>();

export function loadPicture(sample: number): Promise<Picture> {
  const known = pictures.get(sample);
  if (known) return known;
  const picture = read(sample);
  pictures.set(sample, picture);
  picture.catch(() => pictures.delete(sample));
  for (const oldest of pictures.keys()) {
    if (pictures.size <= KEPT) break;
    pictures.delete(oldest);
  }
  return picture;
}

async function read(sample: number): Promise<Picture> {
  try {
    const blob = await (await request(pictureOf(`/api/image/${sample}`))).blob();
    return { image: await decoded(URL.createObjectURL(blob)), problem: null };
  } catch (error) {
    if (isAbort(error)) throw error;
    const problem = lineOf(error);
    const image = await decoded(pictureOf(`/api/thumbnail/${sample}?size=512`)).catch(() => null);
    return { image, problem: image ? "this browser cannot show the image itself; this is its thumbnail" : problem };
  }
}

async function decoded(address: string): Promise<HTMLImageElement> {
  const image = new Image();
  image.src = address;
  try {
    await image.decode();
  } catch {
    throw new Error("the image cannot be read");
  } finally {
    if (address.startsWith("blob:")) URL.revokeObjectURL(address);
  }
  return image;
}
