//! Exporter html-report: one self-contained page
