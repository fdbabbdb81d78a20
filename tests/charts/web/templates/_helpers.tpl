{{/* Nothing that is included anywhere. */}}
