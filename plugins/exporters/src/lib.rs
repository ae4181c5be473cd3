//! Exporters: multilabel-tsv, coco
