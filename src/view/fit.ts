/** Size of the picture on the page: as large as its box allows, in the picture's own aspect. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The largest size of `picture`'s aspect that fits into `box`, in the box's unit, whole numbers, at least 1. */
export function fitInto(picture: Size, box: Size): Size {
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  return {
    width: Math.max(1, Math.floor(picture.width * scale)),
    height: Math.max(1, Math.floor(picture.height * scale)),
  };
}
