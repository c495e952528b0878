#!/bin/sh
locale-gen
