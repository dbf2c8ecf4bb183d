#pragma once
/* The version of svc and svc-runtime: both are built and shipped together. */
#define SVC_VERSION "0.1.0"
